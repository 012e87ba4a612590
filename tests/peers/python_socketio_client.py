"""Does with Debian's python3-socketio-client (Engine.IO 3, socketIO-client 0.6) what its argument says, and prints
what happened.

The argument is JSON: url, token, transports, a stream and another one that speaks as often, how many events to wait
for. The output is a JSON object a line. Every wait ends after PATIENCE_S.
"""
import json
import logging
import sys
import time

from socketIO_client import SocketIO

PATIENCE_S = 60


def say(**what):
    print(json.dumps(what), flush=True)


logging.basicConfig(level=logging.WARNING)
plan = json.loads(sys.argv[1])
events = []
others = []
answers = []
client = SocketIO(plan["url"], transports=plan["transports"], params={"token": plan["token"]},
                  wait_for_connection=False)
end = time.monotonic() + PATIENCE_S
errors = []
client.on("data", lambda event: (others if event["path"] == plan["other"]["path"] else events).append(event))
client.on("error", lambda data: errors.append(json.loads(data)))


def wait(is_enough):
    """Round by round of what the server has: the library itself waits for whole seconds."""
    while not is_enough() and not errors and time.monotonic() < end:
        client._process_packets()


def call(event, argument):
    before = len(answers)
    client.emit(event, argument, lambda *args: answers.append(args))
    wait(lambda: len(answers) > before)
    return answers[-1] if len(answers) > before else None


unknown = call("subscribe", {"path": "no/such", "params": {}})
if errors:
    say(refused=errors[0])
    sys.exit()
say(transport=client.transport_name)
say(unknown=unknown[0])
say(subscribed=call("subscribe", plan["stream"])[0])
wait(lambda: len(events) >= plan["count"])
say(enough=len(events) >= plan["count"])
say(unsubscribed=call("unsubscribe", plan["stream"])[0])
until = len(events)
say(other=call("subscribe", plan["other"])[0])
wait(lambda: len(others) >= 100)
say(enough=len(others) >= 100)
say(after=len(events) - until)
say(events=events)
client.disconnect()
