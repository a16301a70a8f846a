//! From an error's code to its HTTP status, and to what to do about it. The one place for both.

use axum::http::StatusCode;
use pelton_core::Domain;

/// The status of an error.
#[must_use]
pub(super) fn status_of(code: &str, domain: Domain, retryable: bool) -> StatusCode {
    match code {
        "E-AUTH-MISSING" | "E-AUTH-TOKEN" => StatusCode::UNAUTHORIZED,
        "E-HTTP-HOST" | "E-HTTP-ORIGIN" => StatusCode::FORBIDDEN,
        "E-HTTP-ROUTE"
        | "E-TOPIC-UNKNOWN"
        | "E-PARTITION-UNKNOWN"
        | "E-GROUP-UNKNOWN"
        | "E-FUNCTION-UNKNOWN"
        | "E-PIPELINE-UNKNOWN"
        | "E-VERSION-UNKNOWN"
        | "E-STORE-UNKNOWN"
        | "E-SAVEPOINT-UNKNOWN"
        | "E-REPLAY-UNKNOWN"
        | "E-SHADOW-NONE"
        | "E-ARTEFACT-UNKNOWN" => StatusCode::NOT_FOUND,
        _ if code.ends_with("-NOT-FOUND") => StatusCode::NOT_FOUND,
        "E-HTTP-METHOD" => StatusCode::METHOD_NOT_ALLOWED,
        "E-HTTP-TIMEOUT" => StatusCode::REQUEST_TIMEOUT,
        "E-TOPIC-EXISTS" | "E-TOPIC-IN-USE" | "E-GROUP-LIMIT" => StatusCode::CONFLICT,
        "E-TOPIC-CLEANUP-IN-USE" | "E-TOPIC-KEYLESS" | "E-CURSOR-TOPIC" => StatusCode::CONFLICT,
        "E-BACKUP-TARGET" | "E-BACKUP-BUSY" => StatusCode::CONFLICT,
        "E-REPLICA-READ-ONLY" | "E-REPLICA-FENCED" => StatusCode::MISDIRECTED_REQUEST,
        "E-REPLICA-BEHIND" => StatusCode::GONE,
        "E-REPLICA-DIVERGED" | "E-REPLICA-EPOCH" | "E-REPLICA-JOURNAL" => StatusCode::CONFLICT,
        "E-REPLICA-NONE" | "E-REPLICA-FORMAT" | "E-REPLICA-PROOF" => StatusCode::CONFLICT,
        "E-TOKEN-EXISTS" | "E-TOKEN-LIMIT" => StatusCode::CONFLICT,
        "E-SAVEPOINT-EXISTS" | "E-SAVEPOINT-LIMIT" => StatusCode::CONFLICT,
        "E-REPLAY-TOPIC" | "E-REPLAY-LIMIT" | "E-REPLAY-EMPTY" => StatusCode::CONFLICT,
        "E-REPLAY-DECISIONS" | "E-REPLAY-OUTPUTS" => StatusCode::CONFLICT,
        "E-CAPSULE-NONE" | "E-CAPSULE-GONE" | "E-CAPSULE-INPUT" => StatusCode::CONFLICT,
        "E-CAPSULE-RECORD" => StatusCode::NOT_FOUND,
        "E-CAPSULE-SIZE" => StatusCode::PAYLOAD_TOO_LARGE,
        "E-SAVEPOINT-INPUT" | "E-SAVEPOINT-PARTITIONS" => StatusCode::CONFLICT,
        "E-DEAD-LETTER-REDRIVEN" | "E-REDRIVE-MARKS" => StatusCode::CONFLICT,
        "E-FUNCTION-MEMBER" | "E-TOPIC-INTERNAL" | "E-PIPELINE-BUSY" => StatusCode::CONFLICT,
        "E-FUNCTION-BUSY" | "E-FUNCTION-STOPPED" | "E-VERSION-NONE" => StatusCode::CONFLICT,
        "E-SHADOW-INPUTS" | "E-CANARY-STATE" | "E-CANARY-ON" | "E-PROMOTE-NONE" => {
            StatusCode::CONFLICT
        }
        "E-PRODUCER-UNKNOWN" | "E-PRODUCER-FENCED" => StatusCode::CONFLICT,
        "E-SEQUENCE-GAP" | "E-SEQUENCE-OLD" | "E-SEQUENCE-REUSED" => StatusCode::CONFLICT,
        "E-HTTP-BODY-SIZE" | "E-REQUEST-RECORDS" | "E-LIMIT" => StatusCode::PAYLOAD_TOO_LARGE,
        "E-HTTP-TYPE" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "E-OFFSET-RANGE" => StatusCode::RANGE_NOT_SATISFIABLE,
        "E-HTTP-RATE" | "E-PRODUCER-LIMIT" | "E-TAP-BUSY" => StatusCode::TOO_MANY_REQUESTS,
        "E-JOURNAL-POISONED" => StatusCode::SERVICE_UNAVAILABLE,
        "E-JOURNAL-FULL" => StatusCode::INSUFFICIENT_STORAGE,
        _ => match domain {
            Domain::User => StatusCode::BAD_REQUEST,
            Domain::Guest => StatusCode::UNPROCESSABLE_ENTITY,
            Domain::External if retryable => StatusCode::SERVICE_UNAVAILABLE,
            Domain::External | Domain::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

/// What to do about an error whose text does not say it.
#[must_use]
pub(super) fn next_step(code: &str) -> Option<&'static str> {
    Some(match code {
        "E-AUTH-MISSING" => "send `Authorization: Bearer TOKEN`",
        "E-AUTH-TOKEN" => "use a token of this server that was not revoked",
        "E-HTTP-HOST" => "use the address that the server listens on, or set up a token",
        "E-HTTP-ORIGIN" => {
            "call the API from its own pages or from a program, not from another site"
        }
        "E-HTTP-ROUTE" => "GET /api/v1/openapi.json lists what there is",
        "E-HTTP-METHOD" => "the `allow` header lists the methods of this resource",
        "E-HTTP-RATE" => "wait as long as `retry-after` says, or put more into each request",
        "E-HTTP-CONNECTIONS" => "close connections that are not in use, or use fewer at once",
        "E-REPLICA-LAG" => "read from the leader, or wait",
        "E-BACKUP-BUSY" => "wait until it is finished",
        "E-HTTP-BUSY" | "E-HTTP-DRAINING" | "E-DURABLE-TIMEOUT" => "try again later",
        "E-HTTP-TIMEOUT" => "send the body at once, or send less",
        "E-HTTP-BODY-SIZE" => "send several smaller requests",
        "E-JOURNAL-POISONED" => "look at the server's log; it must be started again",
        "E-JOURNAL-IO" => "check the server's disk",
        "E-INTERNAL" | "E-BATCH-STORED" => "this is a fault of the server's: look at its log",
        "E-NAME" | "E-JOURNAL-NAME" => "choose another name",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_is_not_listed_goes_by_who_is_at_fault() {
        let status = |domain, retryable| status_of("E-X", domain, retryable).as_u16();
        assert_eq!(status(Domain::User, false), 400);
        assert_eq!(status(Domain::Guest, false), 422);
        assert_eq!(status(Domain::External, false), 500);
        assert_eq!(status(Domain::External, true), 503);
        assert_eq!(status(Domain::Internal, true), 500);
    }
}
