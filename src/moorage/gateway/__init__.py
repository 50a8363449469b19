"""Step 6: HAProxy carries the traffic; the controller beside it signs people in and keeps HAProxy's
maps.

Must not: ask the server once per request, or let a request through that HAProxy did not check by
itself.
"""
