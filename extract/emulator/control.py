"""The emulator's own calls under /_emulator/: clock, faults, answers, request log, counts."""

import json
from datetime import datetime
from typing import Any

from extract.emulator.wire import Answer, Request
from extract.emulator.world import World, epoch_milliseconds

PREFIX = "/_emulator/"


def answer_control(world: World, request: Request) -> Answer:
    """Return the answer of a control call; 400 says what was wrong with it, 404 knows it not."""
    call = f"{request.method} {request.path.removeprefix(PREFIX).partition('?')[0]}"
    try:
        value = _control(world, call, request.body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return _json(400, {"message": f"{call}: {type(error).__name__}: {error}"})
    if value is None:
        return _json(404, {"message": f"no control call {call}"})
    return _json(200, value)


def _control(world: World, call: str, body: bytes) -> Any:
    match call:
        case "GET health":
            return {"status": "ok", "seed": world.settings.seed}
        case "GET clock":
            return {"clock": world.clock}
        case "POST clock":
            clock = datetime.fromisoformat(json.loads(body)["clock"])
            world.clock = epoch_milliseconds(clock)
        case "POST faults":
            world.faults.put(json.loads(body))
        case "DELETE faults":
            world.faults.clear()
        case "POST answers":
            answers = json.loads(body)
            bodies = answers["bodies"] or []
            world.set_answers(answers["account"], answers["region"], answers["operation"], bodies)
        case "DELETE answers":
            world.answers.clear()
        case "GET requests":
            return list(world.log)
        case "DELETE requests":
            world.log.clear()
        case "GET stats":
            return world.stats()
        case _:
            return None
    return {}


def _json(status: int, value: Any) -> Answer:
    return Answer(status, json.dumps(value).encode())
