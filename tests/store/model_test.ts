// One contract, two engines: whatever is asked for, in whatever order, both answer the same.
import { deepEqual } from "node:assert/strict";
import fc from "fast-check";
import { ChatError } from "../../lib/errors.ts";
import type { ServerStore } from "../../lib/chat/operator_store.ts";
import { testWith } from "../helpers/needs.ts";
import { POSTGRES } from "../helpers/postgres.ts";
import { DAY_MS, newSharedStore, newStore, type TestStore } from "./store_helpers.ts";

/** Random sequences of calls; `.ci/run` asks for 1,000. */
const RUNS = Number(Deno.env.get("MODEL_RUNS") ?? 100);

/** Tight limits, so that mailboxes fill up and history goes. */
const LIMITS = { mailboxMessages: 6, mailboxBytes: 60, historyDays: 2, historyBytes: 60 };

const NAMES = ["ana", "bob", "eve"];

/** A call that can be made on either store: with the same words where they say the same, with each one's own ids where not. */
type Call =
  | {
    readonly verb: "send";
    readonly from: number;
    readonly to: string;
    readonly id: string;
    readonly text: string;
  }
  | { readonly verb: "acknowledge"; readonly who: number; readonly delivered: number; readonly read: number }
  | { readonly verb: "mailbox"; readonly who: number; readonly limit: number; readonly maxBytes: number }
  | {
    readonly verb: "history";
    readonly who: number;
    readonly with: string;
    readonly limit: number;
    readonly maxBytes: number;
  }
  | { readonly verb: "block" | "unblock"; readonly who: number; readonly name: string }
  | { readonly verb: "users"; readonly who: number }
  | { readonly verb: "share"; readonly who: number; readonly shareRead: boolean }
  | { readonly verb: "login"; readonly who: number; readonly isKnown: boolean }
  | { readonly verb: "password"; readonly who: number }
  | { readonly verb: "disable"; readonly name: string; readonly isDisabled: boolean }
  | { readonly verb: "remove"; readonly name: string; readonly clearsTexts: boolean }
  | { readonly verb: "delete"; readonly who: number }
  | { readonly verb: "clear"; readonly limit: number }
  | { readonly verb: "ban" | "lift"; readonly name: string; readonly days: number }
  | { readonly verb: "met"; readonly who: number; readonly name: string }
  | { readonly verb: "lock"; readonly days: number | null }
  | { readonly verb: "unlock" | "orders" }
  | { readonly verb: "create"; readonly name: string; readonly joinCode: string | null }
  | { readonly verb: "prune" | "counts" | "accounts" | "check" | "invites" | "leap" }
  | { readonly verb: "wait"; readonly days: number };

const who = fc.nat({ max: NAMES.length - 1 });
const name = fc.constantFrom(...NAMES, "nobody");
const limit = fc.integer({ min: 1, max: 4 });
const maxBytes = fc.constantFrom(1, 12, 1_000);
const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constantFrom("\0", "a\0\0b", "é€😀", "\ud800", "x".repeat(30)),
);

const call: fc.Arbitrary<Call> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      verb: fc.constant("send" as const),
      from: who,
      to: name,
      id: fc.constantFrom("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"),
      text,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      verb: fc.constant("acknowledge" as const),
      who,
      delivered: fc.nat({ max: 30 }),
      read: fc.nat({ max: 30 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ verb: fc.constant("mailbox" as const), who, limit, maxBytes }) },
  {
    weight: 3,
    arbitrary: fc.record({ verb: fc.constant("history" as const), who, with: name, limit, maxBytes }),
  },
  fc.record({ verb: fc.constantFrom("block" as const, "unblock" as const), who, name }),
  fc.record({ verb: fc.constant("users" as const), who }),
  fc.record({ verb: fc.constant("share" as const), who, shareRead: fc.boolean() }),
  fc.record({ verb: fc.constant("login" as const), who, isKnown: fc.boolean() }),
  fc.record({ verb: fc.constant("password" as const), who }),
  fc.record({ verb: fc.constant("disable" as const), name, isDisabled: fc.boolean() }),
  fc.record({ verb: fc.constant("remove" as const), name, clearsTexts: fc.boolean() }),
  fc.record({ verb: fc.constant("delete" as const), who }),
  fc.record({ verb: fc.constant("clear" as const), limit: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ verb: fc.constantFrom("ban" as const, "lift" as const), name, days: fc.nat({ max: 3 }) }),
  fc.record({ verb: fc.constant("met" as const), who, name }),
  fc.record({ verb: fc.constant("lock" as const), days: fc.constantFrom(null, 0, 2) }),
  fc.record({ verb: fc.constantFrom("unlock" as const, "orders" as const) }),
  fc.record({
    verb: fc.constant("create" as const),
    name,
    joinCode: fc.constantFrom(null, "open", "once", "unknown"),
  }),
  fc.record({
    verb: fc.constantFrom(
      "prune" as const,
      "counts" as const,
      "accounts" as const,
      "check" as const,
      "leap" as const,
      "invites" as const,
    ),
  }),
  fc.record({ verb: fc.constant("wait" as const), days: fc.integer({ min: 1, max: 40 }) }),
);

interface Known {
  readonly accountId: number;
  readonly name: string; // with the run's number
  deviceId: string;
  passwordHash: string;
}

/** One store, and its own numbers for what both stores have. */
class Side {
  readonly #it: TestStore;
  #run = 0;
  #people: Known[] = [];
  #sequences: number[] = []; // of this run, as they were given

  constructor(it: TestStore) {
    this.#it = it;
  }

  /** Begins a run with people whom no other run has. */
  async begin(run: number): Promise<void> {
    this.#run = run;
    this.#people = [];
    this.#sequences = [];
    for (const person of NAMES) {
      const account = { name: this.#own(person), passwordHash: "hash 0" };
      const { accountId } = await this.#it.store.createAccount({ ...account, joinCode: null });
      this.#people.push({ ...account, accountId, deviceId: "" });
      await this.#login(this.#people.at(-1)!, false);
    }
    for (const [code, maxUses] of [["open", null], ["once", 1]] as const) {
      await this.#it.store.createInvite({ code: this.#own(code), maxUses, expiresAt: null, note: "" });
    }
  }

  /** What a call answers, in words that are the same on both sides. */
  async answer(call: Call): Promise<unknown> {
    try {
      return this.#inWords(await this.#make(call));
    } catch (error) {
      if (error instanceof ChatError) return { refused: error.code, message: error.message };
      throw error;
    }
  }

  #make(call: Call): Promise<unknown> {
    const { store, clock } = this.#it;
    const person = "who" in call ? this.#people[call.who]! : this.#people[0]!;
    const { accountId, deviceId } = person;
    switch (call.verb) {
      case "send": {
        const senderId = this.#people[call.from]!.accountId;
        return store.sendMessage({
          senderId,
          id: this.#own(call.id),
          to: this.#own(call.to),
          text: call.text,
        })
          .then((sent) => {
            if (!sent.isDuplicate) this.#sequences.push(sent.sequence);
            return sent;
          });
      }
      case "acknowledge": {
        const [delivered, read] = [this.#sequenceAt(call.delivered), this.#sequenceAt(call.read)];
        // To be told in any order.
        return store.acknowledge({ accountId, deviceId, delivered, read })
          .then((news) => news.toSorted((a, b) => a.senderId - b.senderId));
      }
      case "mailbox":
        return pagesOf(
          0,
          (after) => store.listMailbox({ accountId, after, limit: call.limit, maxBytes: call.maxBytes }),
        );
      case "history":
        return pagesOf(null as number | null, (before) =>
          store.listHistory({
            accountId,
            with: this.#own(call.with),
            before,
            limit: call.limit,
            maxBytes: call.maxBytes,
          }));
      case "block":
        return store.blockUser(accountId, this.#own(call.name));
      case "unblock":
        return store.unblockUser(accountId, this.#own(call.name));
      case "users":
        return Promise.all(NAMES.map((name) => store.findUser(this.#own(name), accountId)));
      case "share":
        return store.updateSettings(accountId, { shareRead: call.shareRead });
      case "login":
        return this.#login(person, call.isKnown);
      case "password": {
        const passwordHash = `${person.passwordHash}'`;
        return store.changePassword(accountId, {
          passwordHash,
          formerHash: person.passwordHash,
          exceptTokenHash: null,
        }).then(() => person.passwordHash = passwordHash);
      }
      case "disable":
        return store.setDisabled(this.#own(call.name), call.isDisabled);
      case "remove":
        return store.removeAccount(this.#own(call.name), call.clearsTexts);
      case "delete":
        return store.deleteAccount(accountId, person.passwordHash);
      case "clear":
        return clearAll(store, call.limit);
      case "ban": {
        const endsAt = clock.at + call.days * DAY_MS;
        return store.ban({ kind: "account", subject: this.#own(call.name), endsAt, reason: "" });
      }
      case "lift":
        return store.liftBan({ kind: "account", subject: this.#own(call.name) });
      case "met":
        return store.haveMet(accountId, this.#own(call.name));
      case "lock":
        return store.lockDown(call.days === null ? null : clock.at + call.days * DAY_MS);
      case "unlock":
        return store.endLockdown();
      case "orders":
        return store.standingOrders();
      case "create": {
        const joinCode = call.joinCode === null ? null : this.#own(call.joinCode);
        const name = this.#own(call.name);
        return store.createAccount({ name, passwordHash: "hash of a newcomer", joinCode }).then(() => null);
      }
      case "prune":
        return pruneAll(store);
      case "counts":
        return Promise.all([store.counts(), store.survey()])
          .then((both) => both.map(({ databaseBytes: _, ...counts }) => counts));
      case "accounts":
        return store.listAccounts({ after: this.#own("a"), limit: 5 });
      case "invites":
        return store.listInvites().then((invites) => invites.slice(-2));
      case "check":
        return store.checkIntegrity();
      case "leap":
        return store.leapAhead();
      case "wait":
        clock.at += call.days * DAY_MS;
        return Promise.resolve(null);
    }
  }

  async #login(person: Known, isKnown: boolean): Promise<unknown> {
    const { deviceId, settings, readSequence } = await this.#it.store.openLogin({
      accountId: person.accountId,
      passwordHash: person.passwordHash,
      newPasswordHash: null,
      deviceId: isKnown ? person.deviceId : null,
      connectedDeviceIds: [],
      tokenHash: crypto.randomUUID(),
      deviceName: "laptop",
    });
    const isSame = deviceId === person.deviceId;
    person.deviceId = deviceId;
    return { isSame, settings, sequence: readSequence };
  }

  /** Names and ids of this run alone; those of a later run come later. */
  #own(word: string): string {
    return `${String(this.#run).padStart(6, "0")} ${word}`;
  }

  /** A sequence of this run, or one beyond all. */
  #sequenceAt(place: number): number {
    return place === 0 ? 0 : this.#sequences[place - 1] ?? Number.MAX_SAFE_INTEGER;
  }

  /** Puts places of this run where the engines have numbers of their own. */
  #inWords(value: unknown, key = ""): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#inWords(item));
    if (typeof value === "number") {
      if (SEQUENCES.includes(key)) {
        return value === 0 ? "none" : `sequence ${this.#sequences.indexOf(value) + 1}`;
      }
      if (ACCOUNTS.includes(key)) {
        return this.#people.find(({ accountId }) => accountId === value)?.name ?? "a newcomer";
      }
      return value;
    }
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, this.#inWords(item, name)]));
  }
}

const SEQUENCES = ["sequence", "previous", "delivered", "read", "next"];
const ACCOUNTS = ["accountId", "senderId", "recipientId"];

/** All pages, in order. */
async function pagesOf<
  Place,
  Page extends { readonly next: Place | null; readonly messages: readonly unknown[] },
>(
  first: Place,
  read: (place: Place) => Promise<Page>,
): Promise<readonly Page[]> {
  const pages: Page[] = [];
  for (let place: Place | null = first;;) {
    const page: Page = await read(place as Place);
    pages.push(page);
    place = page.next;
    if (place === null) return pages;
  }
}

/** Rounds are over all runs' mailboxes: both sides take away the same. */
async function pruneAll(store: ServerStore): Promise<number> {
  for (let gone = 0;;) {
    const { messages, isDone } = await store.prune();
    gone += messages;
    if (isDone) return gone;
  }
}

/** How many steps it takes depends on numbers of accounts, which differ. */
async function clearAll(store: ServerStore, limit: number): Promise<number> {
  for (let texts = 0;;) {
    const cleared = await store.clearTexts(limit);
    texts += cleared.texts;
    if (cleared.isDone) return texts;
  }
}

testWith(POSTGRES, `the engines give equal answers to ${RUNS} random sequences of calls`, async () => {
  await using files = await newStore(LIMITS);
  await using shared = await newSharedStore(LIMITS);
  const sides = [new Side(files), new Side(shared)] as const;
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 4, maxLength: 16 }), async (calls) => {
      run++;
      await Promise.all(sides.map((side) => side.begin(run)));
      for (const [place, made] of calls.entries()) {
        const [left, right] = await Promise.all(sides.map((side) => side.answer(made)));
        deepEqual(right, left, `call ${place}: ${JSON.stringify(made)}`);
      }
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
});
