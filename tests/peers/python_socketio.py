"""Does with Debian's python3-socketio (Engine.IO 4) what its argument says, and prints what happened.

The argument is JSON: url, token, transports, a stream and another one that speaks as often, how many events to wait
for. The output is a JSON object a line. Every call waits at most PATIENCE_S.
"""
import json
import sys
import threading

import socketio

PATIENCE_S = 60


def say(**what):
    print(json.dumps(what), flush=True)


plan = json.loads(sys.argv[1])
client = socketio.Client(reconnection=False)
answered = threading.Event()
refusals = []
enough = threading.Event()
enough_of_other = threading.Event()
events = []
others = []


@client.on("connect")
def joined():
    answered.set()


@client.on("connect_error")
def refused(error):
    refusals.append(error)
    answered.set()


@client.on("data")
def received(event):
    is_other = event["path"] == plan["other"]["path"]
    (others if is_other else events).append(event)
    if len(events) >= plan["count"]:
        enough.set()
    if len(others) >= 100:
        enough_of_other.set()


# To wait is the library's way, too, but then it waits for a refused one to the end.
client.connect(plan["url"] + "?token=" + plan["token"], transports=plan["transports"], wait=False)
if not answered.wait(PATIENCE_S) or refusals:
    say(refused=refusals[0] if refusals else None)
    client.disconnect()  # a refused client is still connected
    sys.exit()
say(transport=client.transport())
say(unknown=client.call("subscribe", {"path": "no/such", "params": {}}, timeout=PATIENCE_S))
say(subscribed=client.call("subscribe", plan["stream"], timeout=PATIENCE_S))
say(enough=enough.wait(PATIENCE_S))
say(unsubscribed=client.call("unsubscribe", plan["stream"], timeout=PATIENCE_S))
until = len(events)
say(other=client.call("subscribe", plan["other"], timeout=PATIENCE_S))
say(enough=enough_of_other.wait(PATIENCE_S))
say(after=len(events) - until)
say(events=events)
client.disconnect()
