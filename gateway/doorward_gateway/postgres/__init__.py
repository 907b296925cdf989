"""The PostgreSQL data path: sans-IO protocol, operations, sessions.

    listener    takes connections; entrance: TLS, start-up, the credential
    frontend    client → server: simple and extended flow, each statement through the gate
    gate        the engine's decision, consent, the record; surroundings: settings and catalogue for it
    link        the only way to the server; pipeline: what the server still owes an answer to
    answers     server → client: rows masked, results recorded, errors freed of values
    session     one client from start to end; upstream: connections to the server
    protocol, framing, messages, reports, rows, values, maskers, plan, startup, labels, settings: no IO

What clients see, where it had to be chosen:

- **A refused statement is an error like the server's own.** The server is given a statement that it must refuse in
  its place, and its error is replaced: so the transaction fails, the rest of a pipeline is skipped, and the order of
  answers and the transaction state are the server's, not ours. SQLSTATE 42501 for the policy's refusals; 58000 when
  there is no decision and 58030 when there is no record (system errors: nothing ran, try again later).
- **A masked value is text.** A masked column of another type is announced as `text`, at Describe and with the rows,
  in the format the client asked for; `null` keeps the type. Where the client has been told another type before (the
  mask came between Describe and Execute) the value is null.
- **A prepared statement is decided at Parse, Bind and Execute.** Consent is asked for at Execute; masks that a client
  has been told of at Describe stay in force for that statement.
- **Text is UTF-8.** A session in another client encoding is refused, or ends.
- **Errors and notices** of statements that have to do with masked columns keep SQLSTATE and place and lose their
  words, unless they come from the parser.
- **COPY of masked columns**, function calls by number, replication: refused. MD5 and clear passwords to the server:
  refused.
- **A record is durable** before the statement is forwarded, and before the end of its answer is released; rows are
  released as they come.
"""
