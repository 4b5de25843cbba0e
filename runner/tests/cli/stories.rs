//! Real incidents in which other monitors leaked or stopped, reproduced here: the runner keeps working, or reports that
//! it does not.
//!
//! | story | where | what stopped there | the tests here |
//! |--:|---|---|---|
//! | 1 | ssl-checker #478 | it read the certificate and never closed the socket | `leaks::story_01_…` |
//! | 2 | ssl-checker waited for ever for a line of a peer that had hung up | `stops::story_02_…` |
//! | 3 | blackbox_exporter #84, #96, #288, #513, #941 | kept alive by its peers it ran out of descriptors, and every server was "down" | `leaks::story_03_…` |
//! | 4 | OpenTelemetry's httpcheck #40552, #40695 | no body was closed, and there was no time-out | `endings::story_04_…` |
//! | 5 | Uptime Kuma's monitors stood still for days behind a dashboard that looked as always | `stops::story_05_…` |
//! | 6 | Gatus delivered mail in the way of its checks | `stops::story_06_…` |
//! | 7 | openstatus stopped reporting a target that was once down | `stops::story_07_…` |
//! | 8 | Heartbeat lost runs without a word, and monitors did not start after an upgrade | `stops::story_08_…` |
//! | 9 | Telegraf #15177, x509_cert | each reload lost descriptors; one tarpit held up every certificate | `reloads::story_09_…` |
//! | 10 | Cloudprober #1083, #584 | a probe ate all memory; a handshake that failed kept its socket | `endings::story_10_…` |
//! | 11 | Sensu did not schedule checks, and its dead man's switch did not fire | `stops::story_11_…` |
//! | 12 | cachet-monitor #75, #11 | at 1024 sockets it "stopped working after some time" | `leaks::story_12_…` |
//! | 13 | ssl_exporter #31 and six more | one way out of many forgot the connection | `endings::story_13_…` |
//! | 14 | opnsense-exporter #113 | it leaked where its target failed, and nowhere else | `leaks::story_14_…` |
//! | 15 | ServerKit had no scheduler at all, and a ping that could not fail | `stops::story_15_…` |
//! | 16 | a service without descriptors cannot report that it has none | `stops::story_16_…` |

mod endings;
mod leaks;
mod reloads;
mod stops;
