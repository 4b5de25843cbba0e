//! The size limit of the spans or log records of one run: what exceeds it is truncated or omitted, and counted.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// Maximum size of the spans, or of the log records, of one run, in bytes.
pub(super) const MAX_FRAME: usize = 64 << 10;
/// The part of it that is reserved for the root span; the rest is for its children.
const MAX_ROOT: usize = MAX_FRAME / 2;
/// Maximum length of a text if not everything fits, in bytes.
const MAX_TEXT: usize = 1 << 10;
/// Overhead of an encoded item in bytes: its key and its length.
const FIELD_OVERHEAD: usize = 6;

/// Limits the spans of a run, the first of which is the root. The root and its essential attributes are never omitted;
/// its events, its other attributes and its children are omitted if they do not fit. Returns the number of omitted
/// items.
pub(super) fn limit_spans(spans: &mut Vec<Span>, essential: usize) -> u64 {
    if total(spans) <= MAX_FRAME {
        return 0;
    }
    for span in spans.iter_mut() {
        shorten_span(span);
    }
    let mut left_out = 0;
    let Some((root, children)) = spans.split_first_mut() else {
        return 0;
    };
    let children_bytes = total(children);
    let room = MAX_ROOT.max(MAX_FRAME.saturating_sub(children_bytes));
    left_out += shrink_root(root, essential, room);
    let room = MAX_FRAME.saturating_sub(root.encoded_len() + FIELD_OVERHEAD);
    let fits = count_fitting(children, room);
    left_out += count(children.len() - fits);
    spans.truncate(1 + fits);
    left_out
}

/// Limits the log records, keeping the first ones. Returns the number of omitted items.
pub(super) fn limit_records(records: &mut Vec<LogRecord>) -> u64 {
    if total(records) <= MAX_FRAME {
        return 0;
    }
    for record in records.iter_mut() {
        shorten(&mut record.attributes);
        if let Some(body) = &mut record.body {
            shorten_value(body, MAX_ROOT / 4);
        }
    }
    let fits = count_fitting(records, MAX_FRAME).max(1);
    let left_out = records.len().saturating_sub(fits);
    records.truncate(fits);
    let Some(first) = records.first_mut().filter(|_| fits == 1) else {
        return count(left_out);
    };
    // Labels are chosen by the operator and may be many.
    let others = first.encoded_len() - total(&first.attributes).min(first.encoded_len());
    let fitting = count_fitting(&first.attributes, MAX_FRAME.saturating_sub(others + MAX_TEXT));
    let dropped = first.attributes.len() - fitting;
    first.attributes.truncate(fitting);
    first.dropped_attributes_count += u32::try_from(dropped).unwrap_or(u32::MAX);
    count(left_out + dropped)
}

/// Omits what makes the root larger than `room`: events first, the last ones before the first.
fn shrink_root(root: &mut Span, essential: usize, room: usize) -> u64 {
    let size = root.encoded_len();
    if size <= room {
        return 0;
    }
    let events = std::mem::take(&mut root.events);
    let others = root.attributes.split_off(essential.min(root.attributes.len()));
    let room = room.saturating_sub(root.encoded_len());
    let attributes = count_fitting(&others, room);
    let used = total(others.get(..attributes).unwrap_or_default());
    let fitting_events = count_fitting(&events, room.saturating_sub(used));
    let dropped = (others.len() - attributes, events.len() - fitting_events);
    root.attributes.extend(others.into_iter().take(attributes));
    root.events.extend(events.into_iter().take(fitting_events));
    root.dropped_attributes_count += u32::try_from(dropped.0).unwrap_or(u32::MAX);
    root.dropped_events_count += u32::try_from(dropped.1).unwrap_or(u32::MAX);
    count(dropped.0 + dropped.1)
}

fn shorten_span(span: &mut Span) {
    truncate(&mut span.name, MAX_TEXT);
    shorten(&mut span.attributes);
    for event in &mut span.events {
        shorten(&mut event.attributes);
    }
    if let Some(status) = &mut span.status {
        truncate(&mut status.message, MAX_TEXT);
    }
}

fn shorten(attributes: &mut [KeyValue]) {
    for attribute in attributes {
        truncate(&mut attribute.key, MAX_TEXT);
        if let Some(value) = &mut attribute.value {
            shorten_value(value, MAX_TEXT);
        }
    }
}

fn shorten_value(value: &mut AnyValue, bytes: usize) {
    match &mut value.value {
        Some(Value::StringValue(text)) => truncate(text, bytes),
        Some(Value::ArrayValue(list)) => {
            let fits = count_fitting(&list.values, bytes);
            list.values.truncate(fits);
        }
        _ => {}
    }
}

fn truncate(text: &mut String, bytes: usize) {
    text.truncate(text.floor_char_boundary(bytes));
}

/// The number of leading items that fit.
fn count_fitting<M: Message>(items: &[M], room: usize) -> usize {
    let mut used = 0_usize;
    let fits = items.iter().take_while(|item| {
        used += item.encoded_len() + FIELD_OVERHEAD;
        used <= room
    });
    fits.count()
}

fn total<M: Message>(items: &[M]) -> usize {
    items.iter().map(|item| item.encoded_len() + FIELD_OVERHEAD).sum()
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}
