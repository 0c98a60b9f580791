/**
 * A login and what changes meanwhile, in every order of the steps of both.
 *
 * A step is a call of the store or a password hashed: the places where a session waits, and others go on.
 * @module
 */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { Passwords } from "../../lib/chat/passwords.ts";
import { hashToken } from "../../lib/chat/login.ts";
import { ChatError } from "../../lib/errors.ts";
import { Upkeep } from "../../lib/server/upkeep.ts";
import { type Caller, ChatWorld, PASSWORD } from "../helpers/chat_world.ts";

/** Lets two tasks go on step by step, in the order of a schedule. */
class Steps {
  readonly #task = new AsyncLocalStorage<number>();
  readonly #waiting: (() => void)[][] = [[], []];
  readonly #isDone = [false, false];

  /** To be waited for before each step of a task; what runs outside of tasks passes. */
  readonly gate = (): Promise<void> => {
    const task = this.#task.getStore();
    if (task === undefined) return Promise.resolve();
    return new Promise((resolve) => this.#waiting[task]!.push(resolve));
  };

  /** Runs both, one step of the scheduled task after the other; of the other one when that has none left. */
  async run(tasks: readonly [Task, Task], schedule: readonly (0 | 1)[]): Promise<void> {
    const running = Promise.all(
      tasks.map((task, index) =>
        this.#task.run(index, () => task().finally(() => this.#isDone[index] = true))
      ),
    );
    running.catch(() => {}); // awaited below, once both have come to their end
    const order = [...schedule];
    for (;;) {
      await this.#rest();
      if (this.#isDone[0] && this.#isDone[1]) break;
      const first = order.shift();
      assert.ok(first !== undefined, "a task took more steps than the schedules have");
      (this.#waiting[first]!.shift() ?? this.#waiting[1 - first]!.shift())!();
    }
    await running;
  }

  /** Waits until both tasks are done or at their gates. */
  async #rest(): Promise<void> {
    const isResting = (task: number) => this.#isDone[task] || this.#waiting[task]!.length > 0;
    // Password hashes come back from another thread: each turn of the event loop may be the one.
    for (let turn = 0; turn < 100_000; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (isResting(0) && isResting(1)) return;
    }
    assert.fail("a task neither ended nor came to its next step");
  }
}

type Task = () => Promise<unknown>;

/** Runs what belongs to no task: the pruning that begins 50 ms after an upkeep starts would else be a step too many. */
const outside = AsyncLocalStorage.snapshot();

/** Every order of so many steps of task 0 and so many of task 1. */
function* schedules(first: number, second: number): Generator<readonly (0 | 1)[]> {
  if (first === 0 && second === 0) return yield [];
  if (first > 0) { for (const rest of schedules(first - 1, second)) yield [0, ...rest]; }
  if (second > 0) { for (const rest of schedules(first, second - 1)) yield [1, ...rest]; }
}

/** Steps of a login: find the account, check the password, open the session. */
const LOGIN_STEPS = 3;

/** What happens while somebody logs in as ana. */
interface Change {
  /** Most steps that it takes. */
  readonly steps: number;
  /** Does it; ana is signed in on another connection. */
  run(world: ChatWorld, ana: Caller): Promise<unknown>;
}

/**
 * Lets a change race a login with the old password, in every order. After both nobody may be signed in who used it, and
 * the token must be good for nothing.
 *
 * @returns How the login ended, in any of the orders.
 */
async function race(change: Change): Promise<string[]> {
  const outcomes = new Set<string>();
  for (const schedule of schedules(LOGIN_STEPS, change.steps)) {
    const steps = new Steps();
    await using world = await ChatWorld.start({ gate: steps.gate });
    const ana = await world.connectAs("ana");
    const late = await world.connect().greet();
    let token: string | null = null;
    let outcome = "signed in";
    const login = async () => {
      try {
        ({ token } = await late.call("login", { name: "ana", password: PASSWORD }));
      } catch (error) {
        assert.ok(error instanceof ChatError);
        outcome = error.code;
      }
    };
    await steps.run([login, () => change.run(world, ana)], schedule);
    if (late.closeReason !== "") outcome = "ended";
    const order = `in the order ${schedule.join("")}`;
    assert.notEqual(outcome, "signed in", order);
    assert.ok(![...world.services.hub.all()].includes(late.session), order);
    if (token !== null) {
      const tokenHash = hashToken(token);
      assert.deepEqual(await world.store.listEndedLogins([tokenHash]), [tokenHash], order);
    }
    outcomes.add(outcome);
  }
  return [...outcomes].sort();
}

/** What the operator does in another process, and how the server learns of it: three steps. */
async function byOperator({ store, services }: ChatWorld, act: () => Promise<unknown>): Promise<void> {
  await act();
  using upkeep = outside(() => new Upkeep(store, services.hub, services.log));
  await upkeep.look();
}

Deno.test("login × change_password: the old password opens nothing that lasts, in every order", async () => {
  const outcomes = await race({
    steps: 4,
    run: (_world, ana) =>
      ana.call("change_password", { oldPassword: PASSWORD, newPassword: "battery staple" }),
  });
  assert.deepEqual(outcomes, ["ended", "unauthenticated"]);
});

Deno.test("login × disable: a disabled account is not signed in, in every order", async () => {
  const outcomes = await race({
    steps: 3,
    run: (world) => byOperator(world, () => world.store.setDisabled("ana", true)),
  });
  assert.deepEqual(outcomes, ["ended", "forbidden"]);
});

Deno.test("login × remove: a removed account is not signed in, in every order", async () => {
  const outcomes = await race({
    steps: 3,
    run: (world) => byOperator(world, () => world.store.removeAccount("ana")),
  });
  assert.deepEqual(outcomes, ["ended", "unauthenticated"]);
});

Deno.test("login × reset-password: the old password opens nothing that lasts, in every order", async () => {
  const passwordHash = await new Passwords({ logN: 4, r: 8, p: 1 }).hash("battery staple");
  const change = { passwordHash, formerHash: null, exceptTokenHash: null };
  const outcomes = await race({
    steps: 3,
    run: (world, { session }) =>
      byOperator(world, () => world.store.changePassword(session.accountId, change)),
  });
  assert.deepEqual(outcomes, ["ended", "unauthenticated"]);
});

Deno.test("change_password × change_password: one of two wins, and the other is told", async () => {
  for (const schedule of schedules(4, 4)) {
    const steps = new Steps();
    await using world = await ChatWorld.start({ gate: steps.gate });
    const devices = [await world.connectAs("ana"), await world.connectAs("ana")] as const;
    const outcomes: string[] = [];
    const change = (caller: Caller, newPassword: string) => async () => {
      const passwords = { oldPassword: PASSWORD, newPassword };
      await caller.call("change_password", passwords).then(
        () => outcomes.push("changed"),
        ({ code }) => outcomes.push(code),
      );
    };
    await steps.run([change(devices[0], "battery staple"), change(devices[1], "hunter and prey")], schedule);
    const order = `in the order ${schedule.join("")}`;
    assert.deepEqual(outcomes.sort(), ["changed", "unauthenticated"], order);
    assert.deepEqual(devices.map(({ closeReason }) => closeReason !== "").sort(), [false, true], order);
  }
});
