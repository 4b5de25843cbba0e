//! Hours in which checks go by the time of day, which is set, forward and back, while the machine sleeps now and then, and
//! the runner is killed or ended and started again.

use super::plan::DAYTIME;
use super::secs;
use super::world::World;
use super::year::COMPLAINTS;

/// What happens in one world, one after the other.
const EVENTS: usize = 20;
/// In seconds.
const FURTHEST_STEP: i64 = 900;
const LONGEST_ABSENCE: u64 = 300;

/// The account of each check is held against the time of day each second.
pub(super) async fn live(seed: u64) {
    let mut world = World::begin(seed, &DAYTIME);
    for _ in 0..EVENTS {
        for word in COMPLAINTS {
            world.allow(word, secs(3_600));
        }
        let calm = world.random.u64(5..400);
        world.run(secs(calm)).await;
        let away = world.random.u64(1..LONGEST_ABSENCE);
        match world.random.u32(..5) {
            0 | 1 => {
                let seconds = world.random.i64(-FURTHEST_STEP..FURTHEST_STEP);
                world.note(format!("the clock is set by {seconds} s"));
                world.clocks.step(seconds);
                world.unsettle(secs(3));
            }
            2 => {
                world.note(format!("asleep for {away} s"));
                world.unsettle(secs(3));
                world.clocks.sleep(secs(away));
            }
            3 => {
                world.kill(secs(away)).await;
                world.start();
            }
            _ => {
                world.terminate(secs(away)).await;
                world.start();
            }
        }
        world.reload_now_and_then();
        // What was done to clocks is seen before a restart.
        world.run(secs(5)).await;
    }
    world.run(secs(120)).await;
}
