#!/usr/bin/env python3
"""Asks for PATH on 127.0.0.1:PORT, RATE times a second over one connection that is kept open, until it is told to end
(SIGTERM), its parent ends or the server does. Arguments: PORT PATH RATE."""
import http.client
import os
import sys
import time

port, path, rate = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
parent = os.getppid()
server = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
begun, asked = time.monotonic(), 0
try:
    while os.getppid() == parent:
        due = begun + asked / rate
        if (wait := due - time.monotonic()) > 0:
            time.sleep(wait)
        server.request("GET", path)
        server.getresponse().read()
        asked += 1
except (OSError, http.client.HTTPException):
    sys.exit(f"load: the server stopped answering after {asked} requests")
