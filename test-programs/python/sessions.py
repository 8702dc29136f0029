"""Keeps every session it ever saw in a dictionary, as JSON text, each different. Arguments: COUNT RATE (records a second).
Speaks as the patients in C do: the truth, READY, then commands on stdin."""
import json
import random
import select
import sys
import time

sessions = {}
choice = random.Random(7)


def remember():
    number = len(sessions)
    text = json.dumps(
        {"session": f"{choice.getrandbits(128):032x}", "user_id": choice.randrange(100000, 999999), "path": "/cart", "number": number}
    )
    sessions[number] = text
    return len(text)


def truth():
    return f"groups=1 count={len(sessions)} bytes={kept}"


count, rate = int(sys.argv[1]), float(sys.argv[2])
kept = sum(remember() for _ in range(count))
print("label={session:hex, user_id:int, path:str, number:int}", truth(), "READY", sep="\n", flush=True)
started, base = None, 0
while True:
    if started is not None:
        while len(sessions) - base < rate * (time.monotonic() - started):
            kept += remember()
    if not select.select([sys.stdin], [], [], None if started is None else 0.005)[0]:
        continue
    command = sys.stdin.readline().split()
    if not command:
        break
    if command[0] == "go":
        started, base = time.monotonic(), len(sessions)
    elif command[0] == "stop":
        started = None
    elif command[0] == "more":
        kept += sum(remember() for _ in range(int(command[1])))
    print(truth(), "OK", sep="\n", flush=True)
