//! What name servers reply.

use canary::fuzzing::dns::read;

/// Bytes of the presentation of a byte: `\255`.
const GROWTH: usize = 4;
/// Bytes of a name, and of the presentation of a record besides what it holds.
const NAME: usize = 4 * 255;

pub(crate) fn run(data: &[u8]) {
    let Some(reply) = read(data) else { return };
    for record in reply.answers.iter().chain(&reply.authorities) {
        assert!(record.name.len() <= NAME, "{}", record.name);
        // A record may hold names, which compression makes short.
        let most = GROWTH * data.len() + 32 * NAME;
        assert!(
            record.data.len() <= most,
            "{} bytes of {}",
            record.data.len(),
            data.len()
        );
    }
    // A record takes eleven bytes at least.
    assert!(reply.answers.len() + reply.authorities.len() <= data.len() / 11);
}
