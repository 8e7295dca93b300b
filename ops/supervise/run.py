"""The supervisor: feeds the table of ops/supervise/machine.py with what really happens, and does what it says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass

from ops import metrics
from ops.clock import Clock, SystemClock
from ops.ports import LOOPBACK
from ops.supervise import files, health, logs, proc
from ops.supervise.figures import Figures
from ops.supervise.machine import Action, Child, Event, State, due, step
from ops.supervise.services import ROOT, Service

STARTING_EVERY_S, UP_EVERY_S, ROTATE_EVERY_S = 0.1, 2.0, 10.0
GIVE_UP_DEATHS = 3  # of one child before everything was up
GIVE_UP_MS = 120_000
# gRPC's own threads for sockets wake one another for each message: a third of all wake-ups of the router (docs/adr/0806). Without
# them the thread that waits for events reads the sockets itself. A version that does not know the names any more leaves them out.
GRPC = {"GRPC_EXPERIMENTS": "-event_engine_client,-event_engine_listener"}
PATIENT_MS = 15_000  # who may take longer to stop is waiting for conversations


@dataclass(frozen=True, slots=True)
class Step:
    """Work that is done once while starting; `run` returns a line for people and raises StepFailed."""

    name: str
    run: Callable[[], Awaitable[str]]
    needs: tuple[str, ...] = ()


class StepFailed(Exception):
    """The text says what could not be done."""


class Supervisor:
    """Runs `services` of one state folder until asked to stop.

    `say` takes a line for people; `ready` gets name -> pid when all is up, and again after each restart.
    """

    def __init__(
        self,
        folder: files.Folder,
        services: Iterable[Service],
        steps: Iterable[Step] = (),
        say: Callable[[str], None] = print,
        ready: Callable[[dict[str, int]], None] = lambda _pids: None,
        clock: Clock | None = None,
        metrics_port: int = 0,
    ) -> None:
        self.folder, self.say, self.on_ready = folder, say, ready
        self.clock: Clock = clock or SystemClock()
        self.services = {service.name: service for service in services}
        self.steps = {one.name: one for one in steps}
        self.children = {name: Child(name, service.policy) for name, service in self.services.items()}
        self.leaders: dict[str, proc.Leader] = {}
        self.done: set[str] = set()  # steps
        self.running: set[str] = set()  # steps under way
        self.inbox: asyncio.Queue[tuple[str, Event]] = asyncio.Queue()
        self.tasks: set[asyncio.Task[None]] = set()
        self.begun_ms = self.clock.mono_ms()
        self.asked = 0  # how often a stop was asked for
        self.was_ready = False
        self.failure = ""
        self.metrics_port = metrics_port  # 0: no metrics

    async def run(self) -> int:
        """Start all, watch them, stop all in order; 0 after a wish to stop, 1 when the start failed."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(signum, self.ask)
        self._save()
        try:
            async with contextlib.aclosing(health.Health()) as asked, self._metrics():
                for service in self.services.values():
                    self._task(self._watch(service, asked))
                self._task(self._rotate())
                await self._serve()
                await self._stop_all()
                await self._cancel()
        finally:
            proc.kill(proc.family(self.folder.path, self.leaders.values()))
            self.folder.endpoints.unlink(missing_ok=True)
            self.folder.supervisor.unlink(missing_ok=True)
        return 1 if self.failure else 0

    @contextlib.asynccontextmanager
    async def _metrics(self) -> AsyncIterator[None]:
        if not self.metrics_port:
            yield
            return
        runner = await metrics.serve(LOOPBACK, self.metrics_port, Figures(self.children).registry)
        try:
            yield
        finally:
            await runner.cleanup()

    def ask(self) -> None:
        """A wish to stop; the second one ends waiting for conversations."""
        self.asked += 1
        self.say("stopping" if self.asked == 1 else "stopping now, without waiting for conversations")
        if self.asked > 1:
            for name in self.children:
                self._hurry(name)
        self.inbox.put_nowait(("", Event.STOP))

    async def _serve(self) -> None:
        while not self.asked and not self.failure:
            await self._begin()
            await self._next()
            self._check_ready()

    async def _begin(self) -> None:
        """Send off what has all it needs."""
        for child in list(self.children.values()):
            if child.state is State.WAITING and self._have(self.services[child.name].needs):
                await self._apply(child.name, Event.READY)
        for one in self.steps.values():
            if one.name not in self.done | self.running and self._have(one.needs):
                self.running.add(one.name)
                self._task(self._do(one))

    def _have(self, needs: tuple[str, ...]) -> bool:
        return all(name in self.done if name in self.steps else self.children[name].state is State.UP for name in needs)

    async def _next(self) -> None:
        """One event, or the next deadline."""
        now = self.clock.mono_ms()
        deadline = min((child.due_ms for child in self.children.values() if child.due_ms), default=now + 1000)
        name, event = "", Event.READY
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(1.0, max(0, deadline - now) / 1000)):
                name, event = await self.inbox.get()
        if name in self.children:
            await self._apply(name, event)
        for child in list(self.children.values()):
            if due(child, self.clock.mono_ms()):
                await self._apply(child.name, Event.DUE)

    async def _apply(self, name: str, event: Event) -> None:
        before = self.children[name]
        now = self.clock.mono_ms()
        child, actions = step(before, event, now)
        self.children[name] = child
        if child.state is not before.state:
            self._tell(before, child, now)
        for action in actions:
            await self._act(name, action)
        if child.state is not before.state:
            self._save()

    def _tell(self, before: Child, child: Child, now: int) -> None:
        """One line for what people want to know."""
        name, took = child.name, (now - before.since_ms) / 1000
        if child.state is State.UP:
            self.say(f"  {name:<12}up in {took:.1f} s   {self.services[name].told}".rstrip())
        elif child.state is State.CONDEMNED:
            self.say(
                f"  {name:<12}does not answer (for {(now - before.since_ms) / 1000:.0f} s in state {before.state.value}): killed"
            )
        elif child.state is State.BACKOFF:
            self.say(f"  {name:<12}ended; next try in {(child.due_ms - now) / 1000:.2g} s   log: {self.folder.log(name)}")
            self._give_up(child)
        elif child.state is State.STOPPED and before.state is not State.WAITING:
            self.say(f"  {name:<12}stopped in {took:.1f} s")

    def _give_up(self, child: Child) -> None:
        if not self.was_ready and child.deaths >= GIVE_UP_DEATHS:
            last = "\n    ".join(logs.tail(self.folder.log(child.name)))
            self.failure = f"{child.name} ended {child.deaths} times while starting; its last words:\n    {last}"

    def _check_ready(self) -> None:
        pids = {name: leader.pid for name, leader in self.leaders.items()}
        missing = [child.name for child in self.children.values() if child.state is not State.UP]
        missing += sorted(self.steps.keys() - self.done)
        if not missing and not self.was_ready:
            self.was_ready = True
            self.on_ready(pids)
            self.say(f"all up in {(self.clock.mono_ms() - self.begun_ms) / 1000:.1f} s")
            self._save()
        elif not self.was_ready and self.clock.mono_ms() - self.begun_ms > GIVE_UP_MS:
            self.failure = f"not up within {GIVE_UP_MS // 1000} s: {', '.join(missing)}"

    async def _act(self, name: str, action: Action) -> None:
        leader = self.leaders.get(name)
        if action is Action.SPAWN:
            await self._spawn(self.services[name])
        elif leader is None:
            return
        elif action is Action.TERMINATE:
            with contextlib.suppress(ProcessLookupError):
                os.kill(leader.pid, signal.SIGTERM)
        else:  # KILL and CLEAN: main process and all it forked
            left = proc.kill(proc.session(self.folder.path, leader))
            if left and action is Action.CLEAN:
                self.say(f"  {name:<12}left {left} processes behind: killed")

    async def _spawn(self, service: Service) -> None:
        """Start it in a session of its own, its words going to its log."""
        log = logs.open_log(self.folder.log(service.name))
        environment = {**GRPC, **os.environ, proc.MARK: str(self.folder.path), "PYTHONUNBUFFERED": "1"}
        try:
            process = await asyncio.create_subprocess_exec(
                *service.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            os.write(log, f"cannot be started: {error}\n".encode())
            self.inbox.put_nowait((service.name, Event.EXITED))
        else:
            found = proc.process(process.pid)
            self.leaders[service.name] = proc.Leader(process.pid, found.start if found else 0)
            self._task(self._wait(service.name, process))
            if self.was_ready:
                self.on_ready({name: leader.pid for name, leader in self.leaders.items()})
        finally:
            os.close(log)

    async def _wait(self, name: str, process: asyncio.subprocess.Process) -> None:
        await process.wait()
        self.inbox.put_nowait((name, Event.EXITED))

    async def _watch(self, service: Service, asked: health.Health) -> None:
        """Ask for its health: often while it starts, now and then later, on one beat with the others."""
        while True:
            state = self.children[service.name].state
            leader = self.leaders.get(service.name)
            if state in (State.STARTING, State.UP) and await asked.well(service) and leader == self.leaders.get(service.name):
                self.inbox.put_nowait((service.name, Event.HEALTHY))
                state = State.UP
            beat = UP_EVERY_S - asyncio.get_running_loop().time() % UP_EVERY_S
            await asyncio.sleep(beat if state is State.UP else STARTING_EVERY_S)

    async def _do(self, one: Step) -> None:
        began = self.clock.mono_ms()
        try:
            line = await one.run()
        except StepFailed as error:
            self.failure = self.failure or f"{one.name}: {error}"
        else:
            self.done.add(one.name)
            self.say(f"  {one.name:<12}done in {(self.clock.mono_ms() - began) / 1000:.1f} s   {line}".rstrip())
        self.running.discard(one.name)
        self.inbox.put_nowait(("", Event.READY))

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(ROTATE_EVERY_S)
            for name in self.services:
                logs.rotate(self.folder.log(name))

    async def _stop_all(self) -> None:
        """Stage after stage; what is in a later stage is kept alive until its turn."""
        if self.failure:
            self.say(f"failed: {self.failure}")
            self.asked += 1
        for stage in sorted({service.stage for service in self.services.values()}):
            names = [name for name, service in self.services.items() if service.stage == stage]
            for name in names:
                await self._apply(name, Event.STOP)
                if self.failure or self.asked > 1:
                    self._hurry(name)
            while any(self.children[name].state is not State.STOPPED for name in names):
                await self._next()

    def _hurry(self, name: str) -> None:
        """A second SIGTERM for what would wait for conversations."""
        if self.children[name].state is State.STOPPING and self.services[name].policy.stop_ms > PATIENT_MS:
            self.inbox.put_nowait((name, Event.STOP))

    async def _cancel(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def _task(self, work: Awaitable[None]) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _save(self) -> None:
        """What `tierline status` shows, and what a next supervisor needs to clean up after this one."""
        own = files.me()
        children = [
            {"name": name, "state": child.state.value, "restarts": child.restarts, "told": self.services[name].told}
            | {"since_s": round((self.clock.now_ms() - self.clock.mono_ms() + child.since_ms) / 1000) if child.since_ms else 0}
            | ({"pid": self.leaders[name].pid, "start": self.leaders[name].start} if name in self.leaders else {})
            for name, child in self.children.items()
        ]
        files.write(self.folder.supervisor, {"pid": own.pid, "start": own.start, "ready": self.was_ready, "children": children})
