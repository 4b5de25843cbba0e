//! Hours in which checks have cron expressions, the time of day is set forward and back, the machine is suspended now
//! and then, and the runner is killed or terminated and restarted.

use super::plan::DAYTIME;
use super::secs;
use super::world::World;
use super::year::ALLOWED_ISSUES;

/// Number of events per world.
const EVENTS: usize = 20;
/// In seconds.
const FURTHEST_STEP: i64 = 900;
const LONGEST_ABSENCE: u64 = 300;

/// Checks the account of each check against the time of day each second.
pub(super) async fn live(seed: u64) {
    let mut world = World::begin(seed, &DAYTIME);
    for _ in 0..EVENTS {
        for word in ALLOWED_ISSUES {
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
                world.expect_lag(secs(3));
            }
            2 => {
                world.note(format!("asleep for {away} s"));
                world.expect_lag(secs(3));
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
        // Clock changes are detected before a restart.
        world.run(secs(5)).await;
    }
    world.run(secs(120)).await;
}
