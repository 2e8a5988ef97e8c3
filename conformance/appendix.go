package conformance

// A side is who has to keep an assertion.
type side int

const (
	ofUserFunction side = 1 << iota
	ofProxy
	ofBoth = ofUserFunction | ofProxy
)

// An assertion is a sentence of the protocol.
type assertion struct {
	id       string
	side     side
	sentence string
}

// appendix has the assertions of protocol Appendix A, in its order. It is what reports go
// through, so that no assertion is left out silently.
var appendix = []assertion{
	// Discovery.
	{"P-001", ofProxy, "ProxyInfo carries protocol version 0.2 and, in dev mode, exactly the four entity types of §2.2"},
	{"P-002", ofUserFunction, "discover returns the same EntitySpec on repeated calls and concurrently"},
	{"P-003", ofUserFunction, `every Entity.service_name equals package + "." + service of some file in the descriptor set`},
	{"P-004", ofUserFunction, "the descriptor set contains every transitive import, each file once"},
	{"P-005", ofUserFunction, "service_info reports protocol 0 / 2 and a library name and version"},
	{"P-006", ofUserFunction, "entity_type strings match §2.2 for each registered kind"},
	{"P-007", ofUserFunction, "configured persistence ids and a configured passivation timeout of 100 ms appear verbatim"},
	{"P-008", ofUserFunction, "unsupported proxy entity types are logged but do not change the response"},
	{"P-009", ofUserFunction, "reportError returns Empty and logs the text"},
	{"P-010", ofProxy, `version 0.1, 0.3, 1.2 or missing service_info → reportError "Incompatible protocol version X.Y, only 0.2 is supported", never ready`},
	{"P-011", ofProxy, "with the check disabled the same spec is accepted"},
	{"P-012", ofProxy, "empty entity list, unknown service, missing dependency, cyclic files, unsupported type → the exact message of §2.3/§2.6"},
	{"P-013", ofProxy, "descriptor files in any order, with dependents before dependencies, are accepted"},
	{"P-014", ofProxy, "ES and value services with a streamed method or a key-less method are rejected with the texts of §2.6; CRDT rejects client streaming and key-less methods, accepts server streaming; actions accept all"},
	{"P-015", ofProxy, "legacy_entity_key counts as key; an option explicitly set to false does not"},
	{"P-016", ofProxy, "a UF that is not reachable at start is retried; becoming reachable later leads to readiness without reportError"},
	{"P-017", ofProxy, "not ready before the frontend accepts connections; ready afterwards"},

	// Stream protocol, common.
	{"P-020", ofProxy, "first command of every activation has id 1; ids increase by 1"},
	{"P-021", ofProxy, "Command carries entity_id, id, name, payload with type.googleapis.com/<input type>; no metadata; streamed only for server-streamed CRDT methods"},
	{"P-022", ofUserFunction, "after the proxy half-closes, the UF completes the stream with OK and emits nothing more"},
	{"P-023", ofProxy, "after passivation the proxy half-closes; with a 100 ms strategy this happens within 2 s of the last reply"},
	{"P-024", ofProxy, "a later command opens a new stream with a new Init"},
	{"P-025", ofUserFunction, `first message ≠ Init → one Failure (command_id 0, "Protocol error: …"), stream completes OK`},
	{"P-026", ofUserFunction, "second Init → same class of failure"},
	{"P-027", ofUserFunction, "empty oneof → same"},
	{"P-028", ofUserFunction, `unknown service in Init → "Protocol error: Service not found: S"`},
	{"P-029", ofUserFunction, "command for another entity id → Failure with the command's id"},
	{"P-030", ofUserFunction, "command without payload → Failure with the command's id"},
	{"P-031", ofUserFunction, "unknown command name → Failure with the command's id, stream completes"},
	{"P-032", ofUserFunction, "a throwing handler → Failure with the command's id and a text containing the message, stream completes"},
	{"P-033", ofUserFunction, "optional sub-messages (metadata, snapshot, state_action) are absent when unused"},
	{"P-034", ofProxy, "ES/value: two commands for one entity never overlap; replies are delivered FIFO"},
	{"P-035", ofProxy, "commands for different entities proceed while one is blocked"},

	// Event sourced.
	{"P-040", ofProxy, "new entity: Init without snapshot, then directly Command"},
	{"P-041", ofProxy, "re-activation without snapshot: Init, Event 1..n with payloads as emitted, then commands"},
	{"P-042", ofProxy, "re-activation with snapshot at s: Init{snapshot_sequence s}, Events s+1.. only"},
	{"P-043", ofUserFunction, "reply payload reflects events emitted in the same command"},
	{"P-044", ofUserFunction, "emitted events are listed in emission order, encoded as given"},
	{"P-045", ofUserFunction, "snapshotEvery 5: snapshot exactly with the replies containing sequence 5, 10, …; one snapshot even if the batch crosses the boundary; snapshot includes later events of the batch"},
	{"P-046", ofUserFunction, "after Init with snapshot at 5 and events 6, 7 the next snapshot is due at 10"},
	{"P-047", ofUserFunction, "negative snapshotEvery never snapshots; 0 means 100"},
	{"P-048", ofUserFunction, "fail without events: Reply with failure{command_id = id, restart false}, no events/effects/snapshot; the next command works on unchanged state"},
	{"P-049", ofUserFunction, "fail after emit: failure with restart true, or restart false with state rolled back"},
	{"P-050", ofProxy, "restart true: EC gets the failure, the stream is closed, a new stream replays only persisted events, ids restart at 1"},
	{"P-051", ofProxy, "commands queued during a restarting command are executed afterwards in original order"},
	{"P-052", ofUserFunction, "forward with events and snapshot: all three in one reply"},
	{"P-053", ofUserFunction, "effects keep order and the synchronous flag; fail drops them"},
	{"P-054", ofProxy, "events are durable before the reply reaches the EC and before effects/forwards run"},
	{"P-055", ofProxy, `client-action failure "m" → gRPC UNKNOWN "m"; HTTP 500 body "m"; entity continues`},
	{"P-056", ofProxy, `stream-level Failure → EC gets "Unexpected entity failure", queued EC get "Entity terminated", next command re-activates`},
	{"P-057", ofProxy, `UF stream error → "Unexpected entity termination"`},
	{"P-058", ofProxy, `reply with a wrong command id → "Unexpected entity reply"`},
	{"P-059", ofProxy, `output with empty oneof → "Unexpected entity message"`},
	{"P-060", ofUserFunction, "event without handler during replay → Failure id 0; a throwing event or snapshot handler likewise"},
	{"P-061", ofProxy, "a snapshot without events is not stored"},
	{"P-062", ofProxy, "a batch is stored atomically: after a crash either all or none are replayed"},

	// Value entity.
	{"P-070", ofProxy, "Init always has state; state.value absent iff nothing is stored"},
	{"P-071", ofUserFunction, "only the last update/delete of a handler is sent"},
	{"P-072", ofUserFunction, "no state_action when neither was called"},
	{"P-073", ofUserFunction, "fail: failure reply without state_action and effects; state rolled back"},
	{"P-074", ofProxy, "delete keeps the stream open; next command id continues; later update re-creates"},
	{"P-075", ofProxy, "after delete and passivation Init has no value"},
	{"P-076", ofUserFunction, "forward plus update in one reply"},
	{"P-077", ofProxy, `store write error → "Unexpected Value entity failure", activation ends`},
	{"P-078", ofProxy, `stream error → "Unexpected Value entity termination", and the next command succeeds on a new stream (A-07)`},
	{"P-079", ofProxy, "update is durable before the reply is delivered"},

	// Actions.
	{"P-090", ofProxy, "unary and streamed-out: one command with service, name, payload"},
	{"P-091", ofProxy, "client-streamed: header message without payload, then payload-only messages, then half-close"},
	{"P-092", ofUserFunction, "unary: reply / forward / failure / empty, each with its effects; failure.command_id = 0"},
	{"P-093", ofUserFunction, "streamed-in: one response after half-close; none requested → empty response; effects of all inputs in order"},
	{"P-094", ofUserFunction, "streamed-out: one response per group in order, also several failures, then normal completion"},
	{"P-095", ofUserFunction, "bidi: responses interleave with inputs; UF completes after half-close"},
	{"P-096", ofProxy, "empty responses produce no EC message but their effects run"},
	{"P-097", ofProxy, "failure on a streaming call → EC stream ends UNKNOWN with the description; EC's request stream is cancelled"},
	{"P-098", ofProxy, "forward from a streamed action: EC gets the target's reply on the same stream"},
	{"P-099", ofUserFunction, "unknown service or method → failure response"},
	{"P-100", ofProxy, "request headers reach the action as text metadata; reply metadata of the first reply comes back as headers"},
	{"P-101", ofProxy, "EC cancellation cancels the UF call"},

	// CRDT stream.
	{"P-110", ofProxy, "Init without delta for a non-existent CRDT; with full delta otherwise (empty variant present for existing-but-empty)"},
	{"P-111", ofUserFunction, "untouched new CRDT → no state_action (all types but LWWRegister)"},
	{"P-112", ofUserFunction, "Delta before any local state is accepted as creation"},
	{"P-113", ofUserFunction, "replicated deltas and local changes combine; only local changes are sent"},
	{"P-114", ofUserFunction, "delete → state_action.delete only, even if the CRDT was also changed"},
	{"P-115", ofProxy, "after a delete action: reply delivered, stream half-closed"},
	{"P-116", ofProxy, `commands to a deleted id → failure "Entity deleted"`},
	{"P-117", ofUserFunction, "Delete from the proxy is accepted silently"},
	{"P-118", ofUserFunction, "fail → Reply with failure(command id), entity continues"},
	{"P-119", ofUserFunction, "streamed command with callback → streamed true; first reply may be empty"},
	{"P-120", ofUserFunction, "change → Reply first, then one StreamedMessage per subscriber; none to the command's own new stream"},
	{"P-121", ofUserFunction, "ending from the callback → end_stream true, afterwards no more messages for that id, no cancel callback"},
	{"P-122", ofUserFunction, "StreamCancelled → exactly one StreamCancelledResponse (with state_action if the callback changed state, without if not or if unknown), then StreamedMessages to others; none to the cancelled one"},
	{"P-123", ofProxy, "EC cancels a stream → StreamCancelled with the right id; deltas resume after the response"},
	{"P-124", ofProxy, "no Delta is sent while a command or cancel is outstanding; one combined Delta afterwards if needed; none if remote changes cancelled out"},
	{"P-125", ofProxy, "own updates are never echoed"},
	{"P-126", ofProxy, `streamed true on a non-streamed command → crash, reportError, EC "Entity terminating"`},
	{"P-127", ofProxy, "reply for an unknown id → crash; streamed message for an unknown id → reportError only"},
	{"P-128", ofUserFunction, "write consistency LOCAL by default; MAJORITY/ALL when set for the command; reset for the next"},
	{"P-129", ofProxy, "passivation never happens while a stream is open"},
	{"P-130", ofProxy, "proxy shutdown completes open EC streams with OK"},
	{"P-131", ofProxy, "two commands may be outstanding at once; replies out of order are correlated by id"},
	{"P-132", ofUserFunction, "effects on StreamedMessages are sent with each message"},

	// CRDT types.
	{"P-140", ofBoth, "GCounter: 1+2+3 in one command → one delta 6; negative increments rejected"},
	{"P-141", ofBoth, "PNCounter: +1 −2 +3 → delta +2; net zero → no state_action"},
	{"P-142", ofBoth, "GSet: only really new elements are sent"},
	{"P-143", ofBoth, "ORSet: normalisation examples of §5.5"},
	{"P-144", ofBoth, "ORSet: applying cleared+added, removed+added, removed of absent elements"},
	{"P-145", ofUserFunction, "LWWRegister: creation value is sent with the first reply; an incoming delta cancels it; clocks and custom values are transmitted"},
	{"P-146", ofProxy, "LWWRegister: REVERSE keeps the first value and the UF receives a correcting Delta; CUSTOM lower than current loses; CUSTOM_AUTO_INCREMENT never loses locally"},
	{"P-147", ofBoth, "Flag: enable once → one delta; false deltas never reset"},
	{"P-148", ofBoth, "ORMap: added entries carry their child delta even if empty; nested updates are nested deltas; removed+added in one delta; clear then create → cleared + added"},
	{"P-149", ofUserFunction, "ORMap: added for an existing key replaces; updated for a missing key is ignored"},
	{"P-150", ofProxy, "ORMap: child type change at the replica → key in removed and added"},
	{"P-151", ofBoth, "Vote: self vote changes adjust votes_for; delta holds only self_vote; incoming delta overwrites all three"},
	{"P-152", ofProxy, `GCounter increment ≥ 2^63 → crash with "Cannot decrement a GCounter…"`},
	{"P-153", ofProxy, `empty delta oneof → crash "Empty delta"; wrong variant → "…is incompatible with CRDT…"`},
	{"P-154", ofProxy, "ORSet delta to the UF switches to cleared+all when that is shorter"},

	// Any encoding.
	{"P-160", ofBoth, `string "" encodes as p.cloudstate.io/string with empty value`},
	{"P-161", ofUserFunction, "all seven primitives round-trip; defaults encode empty; explicit defaults decode"},
	{"P-162", ofUserFunction, "unknown fields before field 1 are skipped; unknown primitive name is an error"},
	{"P-163", ofUserFunction, "JSON: prefix json.cloudstate.io/, bytes 0A len json; decode accepts any type name"},
	{"P-164", ofUserFunction, "equal values give byte-identical Any"},
	{"P-165", ofProxy, "request bytes pass through unmodified, including unknown fields"},
	{"P-166", ofProxy, "reply with a wrong type_url is delivered and reported once per reply"},

	// Routing, frontend, HTTP.
	{"P-170", ofProxy, "forward to the second service replaces the reply; the target's stream gets its own Init and ids"},
	{"P-171", ofProxy, "asynchronous effect: EC reply does not wait; target receives the command"},
	{"P-172", ofProxy, "synchronous effect finishes before the reply is delivered; its failure reply is ignored"},
	{"P-173", ofProxy, `unroutable forward or effect → reportError with "Service [S] unknown" / "Service [S] does not have a command named: [M]"`},
	{"P-174", ofProxy, `several keys are joined by "-" in declaration order; integers decimal`},
	{"P-175", ofProxy, "method without HTTP rule: POST /pkg.Service/Method with JSON works; with a rule the default path is 404"},
	{"P-176", ofProxy, "path variables fill the message and override the body"},
	{"P-177", ofProxy, "JSON output exactly as the samples in §8.5, Content-Type: application/json"},
	{"P-178", ofProxy, "HTTP failure: status 500, body = description"},
	{"P-179", ofProxy, "wrong content type, invalid JSON, unknown JSON field, bad path value → 400"},
	{"P-180", ofProxy, "query parameters for empty body rules, including repeated fields"},
	{"P-181", ofProxy, "additional_bindings, response_body on message, list and scalar fields"},
	{"P-182", ofProxy, "server-streamed method over HTTP: newline separated JSON; SSE with the right Accept; HttpBody chunks"},
	{"P-183", ofProxy, "reflection: list order, empty result for unknown symbols, echo of host and request"},
	{"P-184", ofProxy, "unknown gRPC method → UNIMPLEMENTED at the client"},
	{"P-185", ofProxy, "every configuration error of §8.4 is detected at discovery"},
	{"P-186", ofProxy, "gzip-compressed gRPC requests are accepted"},
	{"P-187", ofProxy, "any HTTP request to / gets a response"},
	{"P-188", ofProxy, `K-Network-Probe: queue → 200 "queue"`},

	// Eventing.
	{"P-200", ofProxy, "an event of persistence id X reaches the matching method of every subscribed service, payload unchanged"},
	{"P-201", ofProxy, "ce-subject = entity id, ce-source = persistence id, ce-type = type_url, Content-Type as in §9.3"},
	{"P-202", ofProxy, "JSON events go to the google.protobuf.Any method"},
	{"P-203", ofProxy, "a forward from an event handler reaches its target"},
	{"P-204", ofProxy, "two consumer groups both receive every event; two methods of one group share by type"},
	{"P-205", ofProxy, "a handler transport error leads to redelivery after backoff; order is preserved"},
	{"P-206", ofProxy, "conflicting or incomplete annotations give the errors of §9.1"},
	{"P-207", ofProxy, "payload mapping of §9.4 in both directions, including empty and non-empty data"},
	{"P-208", ofUserFunction, "handler metadata exposes the CloudEvent view; the subject is readable"},
}
