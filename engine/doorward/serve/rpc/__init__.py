"""`doorward.v1` on the wire: `service` answers, `wire` reads requests and writes decisions as messages."""
