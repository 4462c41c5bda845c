//! Answers on their way: rendered as rows come, held back only as long as everything of them fits into one piece.
//!
//! Promises: an error before the first piece is a problem document; one after it cuts the answer off, so that a client
//! never takes a part for the whole; memory is bounded by a piece and a batch.
//! Never: rows that nobody waits for are computed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use firn_engine::session::{Outcome, Session};
use firn_engine::sql::yielding::Interrupt;
use firn_engine::{BatchStream, Error};
use firn_manifest::ids::Position;
use firn_manifest::tally::Tally;
use futures::{Stream, StreamExt, stream};

use super::admit::Permit;
use super::problem::Problem;
use crate::render::{Format, Render, Summary, renderer};

/// An answer of up to so many bytes is sent in one piece, with its statistics in the headers.
const PIECE_BYTES: usize = 64 << 10;
/// Answers of an atomic list, bytes in all; they are held until the transaction is committed.
const LIST_BYTES: usize = 64 << 20;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form(Format);

impl Form {
    /// What Accept asks for; JSON when it asks for nothing in particular.
    ///
    /// # Errors
    /// 406.
    pub fn accepted(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(accept) = headers.get(ACCEPT) else { return Ok(Self(Format::Json)) };
        let accept = accept.to_str().unwrap_or_default();
        for asked in accept.split(',').filter_map(|part| part.split(';').next()).map(str::trim) {
            match asked {
                "application/json" | "application/*" | "*/*" | "" => return Ok(Self(Format::Json)),
                "application/x-ndjson" => return Ok(Self(Format::Ndjson)),
                "text/csv" | "text/*" => return Ok(Self(Format::Csv)),
                "application/vnd.apache.arrow.stream" => return Ok(Self(Format::Arrow)),
                _ => {}
            }
        }
        let detail = format!("Accept: {accept} is none of the forms of an answer");
        Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail).with_hint(
            "ask for application/json, application/x-ndjson, text/csv or application/vnd.apache.arrow.stream",
        ))
    }

    fn media_type(self) -> &'static str {
        match self.0 {
            Format::Csv => "text/csv; charset=utf-8",
            Format::Ndjson => "application/x-ndjson",
            Format::Arrow => "application/vnd.apache.arrow.stream",
            Format::Json | Format::Table => "application/json",
        }
    }
}

/// Ends the work it is about when it goes away.
struct Ends(Option<Interrupt>);

impl Drop for Ends {
    fn drop(&mut self) {
        if let Some(interrupt) = &self.0 {
            interrupt.pull();
        }
    }
}

/// Runs work for so long at most.
///
/// # Errors
/// 57014 when the time is over; the work's own.
pub async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let interrupt = Interrupt::default();
    let mut ends = Ends(Some(interrupt.clone()));
    let done = tokio::time::timeout(limit, interrupt.scope(work)).await;
    match done {
        Ok(done) => {
            if done.is_ok() {
                // rows may still be computed
                ends.0 = None;
            }
            done
        }
        Err(_) => {
            let message = format!("the statement took longer than {} ms and was cancelled", limit.as_millis());
            let hint = "give it more time by timeout_ms, or ask for less; repeat a write under the same request_id";
            Err(Error::statement("57014", message).with_hint(hint))
        }
    }
}

/// An answer: its first piece, and what comes after it.
pub struct Answer {
    position: Option<Position>,
    first: Vec<u8>,
    /// all is in the first piece
    complete: Option<Summary>,
    rest: Option<Rest>,
}

/// Rows that are still computed.
struct Rest {
    rows: BatchStream,
    sent: u64,
    most: u64,
    tally: Arc<Tally>,
    render: Box<dyn Render + Send>,
    summary: Summary,
    /// what computes them
    _session: Session,
}

fn summary_of(outcome: &Outcome) -> Summary {
    let query = outcome.rows.is_some() && !["INSERT", "UPDATE", "DELETE"].iter().any(|w| outcome.tag.starts_with(w));
    Summary {
        tag: outcome.tag.clone(),
        query,
        rows: outcome.rows_affected,
        position: outcome.position.map(|p| p.0),
        ..Summary::default()
    }
}

fn count(summary: &mut Summary, tally: &Tally) {
    let tally = tally.summary();
    summary.requests = tally.requests;
    summary.bytes = tally.bytes_read + tally.bytes_written;
    summary.round_trips = tally.round_trips;
}

/// Whether so many bytes of an answer may be sent.
fn check(bytes: u64, most: u64) -> Result<(), Error> {
    if bytes <= most {
        return Ok(());
    }
    let message = format!("the answer is longer than the {most} bytes that this tenant's answers may have");
    Err(Error::statement("53400", message)
        .with_hint("ask for fewer rows or columns, or an operator for a higher limit"))
}

fn written(done: io::Result<impl Sized>) -> Result<(), Error> {
    done.map(|_| ()).map_err(|e| Error::internal(format!("an answer could not be written: {e}")))
}

impl Answer {
    /// Renders until the answer is whole or its first piece is full; it is `most` bytes long at the most.
    ///
    /// # Errors
    /// Of the rows so far; 53400 when it is too long.
    pub async fn begin(
        mut outcome: Outcome,
        session: Session,
        Form(format): Form,
        most: Option<u64>,
    ) -> Result<Self, Error> {
        let most = most.unwrap_or(u64::MAX);
        let mut render = renderer(format, false);
        let mut summary = summary_of(&outcome);
        let mut first = Vec::new();
        let position = outcome.position;
        if let Some(mut rows) = outcome.rows.take() {
            written(render.begin(&outcome.schema, &mut first))?;
            summary.rows = 0;
            while let Some(batch) = rows.next().await.transpose()? {
                summary.rows += batch.num_rows() as u64;
                written(render.batch(&batch, &mut first))?;
                let sent = first.len() as u64;
                check(sent, most)?;
                if first.len() > PIECE_BYTES {
                    let rest =
                        Rest { rows, sent, most, tally: outcome.tally.clone(), render, summary, _session: session };
                    return Ok(Self { position, first, complete: None, rest: Some(rest) });
                }
            }
        }
        count(&mut summary, &outcome.tally);
        written(render.end(&summary, &mut first))?;
        Ok(Self { position, first, complete: Some(summary), rest: None })
    }

    /// The response; the permit is given back when all of it is sent.
    #[must_use]
    pub fn respond(self, form: Form, permit: Permit) -> Response {
        let mut response = Response::new(match self.rest {
            None => Body::from(self.first),
            Some(rest) => Body::from_stream(pieces(self.first, rest, permit)),
        });
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
        let mut number = |name: &'static str, value: u64| {
            headers.insert(HeaderName::from_static(name), value.into());
        };
        if let Some(position) = self.position {
            number("x-firn-position", position.0);
        }
        if let Some(summary) = &self.complete {
            number("x-firn-requests", summary.requests);
            number("x-firn-bytes", summary.bytes);
            number("x-firn-round-trips", summary.round_trips);
        }
        response
    }
}

/// The first piece and those after it; an error cuts the body off.
fn pieces(first: Vec<u8>, rest: Rest, permit: Permit) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold((Some(first), Some(rest), permit), |(first, rest, permit)| async move {
        if let Some(first) = first {
            return Some((Ok(Bytes::from(first)), (None, rest, permit)));
        }
        let mut rest = rest?;
        let mut piece = Vec::new();
        loop {
            let step = match rest.rows.next().await {
                Some(Ok(batch)) => {
                    rest.summary.rows += batch.num_rows() as u64;
                    let held = piece.len();
                    let done = rest.render.batch(&batch, &mut piece);
                    rest.sent += (piece.len() - held) as u64;
                    done.and_then(|()| check(rest.sent, rest.most).map_err(io::Error::other)).map(|()| false)
                }
                Some(Err(error)) => Err(io::Error::other(error)),
                None => {
                    count(&mut rest.summary, &rest.tally);
                    rest.render.end(&rest.summary, &mut piece).map(|_| true)
                }
            };
            match step {
                Err(error) => return Some((Err(error), (None, None, permit))),
                Ok(true) => return Some((Ok(Bytes::from(piece)), (None, None, permit))),
                Ok(false) if piece.len() > PIECE_BYTES => {
                    return Some((Ok(Bytes::from(piece)), (None, Some(rest), permit)));
                }
                Ok(false) => {}
            }
        }
    })
}

/// A statement's answer that waits for the commit.
struct Held {
    render: Box<dyn Render + Send>,
    out: Vec<u8>,
    summary: Summary,
    /// it has the commit's position
    written: bool,
}

/// The answers of an atomic list.
pub struct List {
    format: Format,
    most: u64,
    answers: Vec<Held>,
    bytes: usize,
}

impl List {
    /// None yet.
    #[must_use]
    pub fn new(Form(format): Form, most: Option<u64>) -> Self {
        Self { format, most: most.unwrap_or(u64::MAX), answers: Vec::new(), bytes: 0 }
    }

    /// Takes a statement's rows.
    ///
    /// # Errors
    /// Of the rows; 54000 when all answers together are too large to be held.
    pub async fn add(&mut self, mut outcome: Outcome) -> Result<(), Error> {
        let mut render = renderer(self.format, false);
        let mut summary = summary_of(&outcome);
        let mut out = Vec::new();
        if let Some(mut rows) = outcome.rows.take() {
            written(render.begin(&outcome.schema, &mut out))?;
            summary.rows = 0;
            while let Some(batch) = rows.next().await.transpose()? {
                summary.rows += batch.num_rows() as u64;
                written(render.batch(&batch, &mut out))?;
                check((self.bytes + out.len()) as u64, self.most)?;
                if self.bytes + out.len() > LIST_BYTES {
                    let message = format!("the answers of an atomic list are more than {} MiB", LIST_BYTES >> 20);
                    return Err(
                        Error::statement("54000", message).with_hint("send the query on its own: it is streamed")
                    );
                }
            }
        }
        count(&mut summary, &outcome.tally);
        self.bytes += out.len();
        let written = outcome.position.is_none() && !summary.query;
        self.answers.push(Held { render, out, summary, written });
        Ok(())
    }

    /// The transaction was committed at `position`.
    ///
    /// # Errors
    /// None that a renderer into memory has.
    pub fn finish(self, position: Option<Position>) -> Result<Answer, Error> {
        let json = self.format == Format::Json;
        let mut whole = Vec::with_capacity(self.bytes + 64 * self.answers.len());
        let mut total = Summary::default();
        if json {
            whole.push(b'[');
        }
        for (place, held) in self.answers.into_iter().enumerate() {
            let Held { mut render, mut out, mut summary, written: of_commit } = held;
            if of_commit {
                summary.position = position.map(|p| p.0);
            }
            written(render.end(&summary, &mut out))?;
            if json {
                if place > 0 {
                    whole.push(b',');
                }
                whole.extend_from_slice(out.trim_ascii_end());
            } else {
                whole.extend_from_slice(&out);
            }
            total.requests += summary.requests;
            total.bytes += summary.bytes;
            total.round_trips += summary.round_trips;
        }
        if json {
            whole.extend_from_slice(b"]\n");
        }
        Ok(Answer { position, first: whole, complete: Some(total), rest: None })
    }
}
