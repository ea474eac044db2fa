"""Numbered requests through Envoy, each noted before it is sent."""

import asyncio
from random import Random

from tests.faults.oracle import Asked, Oracle
from tests.faults.seen import Seen
from tests.faults.world import ANSWERS, World

__all__ = ["Asking"]

_AT_ONCE = 8
# Mostly short; a few are as long as Envoy's buffer lets them be.
_LENGTHS = (0, 3, 20, 20, 20, 4000)
_ENDS = ("", "%22", "%00", "%F0%9F%92%A5", "a.b~c")
_AGENTS = ("faults/1.0", 'a "quoted" \\ agent', "a" * 900)


class Asking:
    """Asks. `unsettled`: ids asked since the stream was seen to work, all of which the journal must get."""

    def __init__(self, world: World, seed: int, random: Random, oracle: Oracle, seen: Seen) -> None:
        self._world, self._seed, self._random = world, seed, random
        self._oracle, self._seen = oracle, seen
        self.unsettled: set[str] = set()

    async def burst(self, number: int) -> None:
        """Ask so many, some at a time."""
        waiting = iter(range(number))

        async def work() -> None:
            for _ in waiting:
                await self.one()

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))

    async def one(self) -> str:
        """Ask one; gives its id, once the client has its answer."""
        prefix, (code, body) = self._random.choice(list(ANSWERS.items()))
        id_ = f"{self._seed}-{self._seen.asked}"
        self._seen.asked += 1
        path = f"{prefix}/{id_}/{self._random.choice(_ENDS)}{'x' * self._random.choice(_LENGTHS)}"
        agent = self._random.choice(_AGENTS)
        self._oracle.asked[id_] = Asked(path, code, agent, len(body))
        self.unsettled.add(id_)
        headers = {"x-request-id": id_, "user-agent": agent}
        answer = await self._world.client.get(self._world.envoy_url + path, headers=headers)
        assert (answer.status_code, len(answer.content)) == (code, len(body))
        return id_
