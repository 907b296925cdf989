"""The decision log: every decision as a line, in a file and wherever it is sent on to.

`log` puts it together; `writer` takes decisions on the event loop and writes on a thread of its own; `lines` is what stands in
the file, `secrets`, `rules` and `redact` what does not; `file`, `names` and `tidy` are the files; `spool` and `shipping` feed
the sinks `otlp` and `postgres` from them.
"""
