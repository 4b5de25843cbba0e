;; Connects to its target three times, keeps the connections, and grows a table until something stops it.
;; The target is `IPv4-ADDRESS:PORT`. No stable Rust can be brought to do this.
;;
;; `table.wasm` is made of it, by wasm-tools:
;;   wasm-tools component embed ../../../sdk/wit --world check table.wat | wasm-tools component new -o table.wasm
(module
  (import "canary:check/tcp@0.1.0" "[static]connection.connect"
    (func $connect
      (param $host i32) (param $host-length i32) (param $port i32)
      (param $ip-family i32)
      (param $has-source i32) (param $source i32) (param $source-length i32)
      (param $has-timeout i32) (param $timeout i32)
      (param $result i32)))
  (memory (export "memory") 2)
  (table $grown 1 funcref)
  (global $free (mut i32) (i32.const 65536))

  ;; Never frees; each block begins at a multiple of 8.
  (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
    (local $block i32)
    (local.set $block (global.get $free))
    (global.set $free
      (i32.and (i32.add (i32.add (local.get $block) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (local.get $block))

  ;; Where the colon of the target is.
  (func $colon (param $text i32) (result i32)
    (local $place i32)
    (loop $next
      (if (i32.ne (i32.load8_u (i32.add (local.get $text) (local.get $place))) (i32.const 58))
        (then
          (local.set $place (i32.add (local.get $place) (i32.const 1)))
          (br $next))))
    (local.get $place))

  ;; The number from $at to $end.
  (func $number (param $at i32) (param $end i32) (result i32)
    (local $number i32)
    (loop $next
      (local.set $number
        (i32.add
          (i32.mul (local.get $number) (i32.const 10))
          (i32.sub (i32.load8_u (local.get $at)) (i32.const 48))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (local.get $number))

  (func (export "canary:check/probe@0.1.0#describe") (result i32)
    (i32.const 1024))

  (func (export "canary:check/probe@0.1.0#run")
    (param $check i32) (param $check-length i32)
    (param $target i32) (param $target-length i32)
    (param $config i32) (param $config-length i32)
    (param $attempt i32) (param $now i64) (param $time-left i32)
    (result i32)
    (local $colon i32) (local $port i32) (local $held i32)
    (local.set $colon (call $colon (local.get $target)))
    (local.set $port
      (call $number
        (i32.add (local.get $target) (i32.add (local.get $colon) (i32.const 1)))
        (i32.add (local.get $target) (local.get $target-length))))
    (loop $hold
      (call $connect
        (local.get $target) (local.get $colon) (local.get $port)
        (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0)
        (i32.const 2048))
      (local.set $held (i32.add (local.get $held) (i32.const 1)))
      (br_if $hold (i32.lt_u (local.get $held) (i32.const 3))))
    (loop $grow
      (drop (table.grow $grown (ref.null func) (i32.const 1024)))
      (br $grow))
    (unreachable))

  ;; The description: pointers and lengths of its five texts, then the texts.
  (data (i32.const 1024) "\4c\04\00\00\05\00\00\00\55\04\00\00\05\00\00\00\5e\04\00\00\28\00\00\00\8a\04\00\00\02\00\00\00\90\04\00\00\09\00\00\00")
  (data (i32.const 1100) "table")
  (data (i32.const 1109) "0.1.0")
  (data (i32.const 1118) "Grows a table while it keeps connections")
  (data (i32.const 1162) "{}")
  (data (i32.const 1168) "HOST:PORT")
)
