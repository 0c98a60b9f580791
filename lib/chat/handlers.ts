/**
 * What the server does for each request: one entry each, with the stage in which it may come.
 *
 * A handler changes shared state only in one go, with no `await` in the middle of a change.
 * @module
 */
import { ChatError, ProtocolError } from "../errors.ts";
import { utf8Bytes } from "../protocol/fields.ts";
import {
  DEAD_AFTER_MS,
  MAX_FRAME_BYTES,
  MAX_HISTORY_PER_PAGE,
  MAX_NAME_CHARS,
  MAX_PENDING_REQUESTS,
  MAX_TEXT_BYTES,
  MAX_USERS_PER_PAGE,
  PING_AFTER_MS,
  PROTOCOL_VERSION,
} from "../protocol/limits.ts";
import {
  type HistoryEntry,
  isRequestName,
  type Params,
  parseParams,
  type RequestName,
  type Result,
  type UserEntry,
} from "../protocol/requests.ts";
import { VERSION } from "../version.ts";
import { changePassword, login, register, resume } from "./login.ts";
import type { Services } from "./services.ts";
import type { Session, Stage } from "./session.ts";
import type { ListedUser } from "./store.ts";

interface Handler<M extends RequestName> {
  readonly stage: Stage | "any";
  /** Throws a `ChatError` to refuse. */
  run(session: Session, params: Params<M>, services: Services): Result<M> | Promise<Result<M>>;
}

/** Users in a page when the client does not say how many. */
const USERS_PER_PAGE = 100;

/** Messages in a page of history when the client does not say how many. */
const HISTORY_PER_PAGE = 50;

/** Room for the entries of a page in a frame; the rest is for the envelope around them. */
const PAGE_BYTES = MAX_FRAME_BYTES - 1024;

const HANDLERS: { readonly [M in RequestName]: Handler<M> } = {
  hello: { stage: "greeting", run: greet },
  register: { stage: "guest", run: register },
  login: { stage: "guest", run: login },
  resume: { stage: "guest", run: resume },
  logout: {
    stage: "signed_in",
    run: async (session, _params, { store, hub }) => {
      await store.closeLogin(session.tokenHash);
      hub.endDevice(session, "revoked");
      closeSoon(session, "logged out");
      return {};
    },
  },
  bye: {
    stage: "any",
    run: (session) => {
      closeSoon(session, "the client said goodbye");
      return {};
    },
  },
  list_users: {
    stage: "signed_in",
    run: (session, params, services) => session.inTurn(() => listUsers(session, params, services)),
  },
  send_message: {
    stage: "signed_in",
    run: (session, params, services) => {
      const turn = services.sendPaces.of(session.accountId).turn(session);
      return turn ? turn.then(() => send(session, params, services)) : send(session, params, services);
    },
  },
  subscribe: {
    stage: "signed_in",
    run: async (session, params, { store }) => {
      const { accountId, deviceId } = session.identity;
      const after = params.after ?? await store.readSequence(accountId, deviceId);
      const upTo = await store.highestSequence(accountId);
      session.startDelivery(Math.min(after, upTo));
      return { upTo };
    },
  },
  acknowledge: {
    stage: "signed_in",
    run: async (session, params, { store, hub }) => {
      const { accountId, deviceId, name } = session.identity;
      const news = await store.acknowledge({ accountId, deviceId, ...params });
      for (const { senderId, ...moved } of news) hub.notify(senderId, "receipt", { by: name, ...moved });
      return {};
    },
  },
  fetch_history: {
    stage: "signed_in",
    run: (session, params, services) => session.inTurn(() => fetchHistory(session, params, services)),
  },
  set_presence: {
    stage: "signed_in",
    run: (session, params) => {
      session.setIdle(params.presence === "idle");
      return {};
    },
  },
  update_settings: {
    stage: "signed_in",
    run: (session, params, { store }) => store.updateSettings(session.accountId, params),
  },
  block_user: {
    stage: "signed_in",
    run: async (session, params, { store }) => {
      await store.blockUser(session.accountId, params.name);
      return {};
    },
  },
  unblock_user: {
    stage: "signed_in",
    run: async (session, params, { store }) => {
      await store.unblockUser(session.accountId, params.name);
      return {};
    },
  },
  list_blocked: {
    stage: "signed_in",
    run: async (session, _params, { store }) => ({ names: [...await store.listBlocked(session.accountId)] }),
  },
  change_password: { stage: "signed_in", run: changePassword },
  open_chat: { stage: "signed_in", run: openChat },
  close_chat: {
    stage: "signed_in",
    run: (session, { chatId }, { directChats }) => {
      directChats.close(session, chatId);
      return {};
    },
  },
  list_chats: {
    stage: "signed_in",
    run: (session, _params, { directChats }) => ({ chats: directChats.invitationsFor(session.accountId) }),
  },
  join_chat: {
    stage: "signed_in",
    run: (session, params, { directChats }) => directChats.join(session, params),
  },
  offer_punch: {
    stage: "signed_in",
    run: (session, params, { directChats }) => {
      directChats.offerPunch(session, params);
      return {};
    },
  },
};

/**
 * Answers one request. Requests are started in the order they came, and may finish in another.
 *
 * @returns The result, or a promise of it.
 * @throws {ChatError} when the request is refused; the session goes on.
 * @throws {ProtocolError} -32601 for a method that does not exist.
 */
export function answer(session: Session, method: string, params: unknown): unknown {
  if (!isRequestName(method)) {
    const shown = JSON.stringify(method.length > 40 ? `${method.slice(0, 40)}…` : method);
    throw new ProtocolError(-32601, `Cannot do ${shown}: no such request`);
  }
  const { stage, run } = HANDLERS[method];
  checkStage(session, method, stage);
  const checked = parseParams(method, params);
  return (run as (session: Session, params: unknown, services: Services) => unknown)(
    session,
    checked,
    session.services,
  );
}

function checkStage(session: Session, method: RequestName, wanted: Stage | "any"): void {
  if (wanted === "any" || wanted === session.stage) return;
  if (session.stage === "greeting") {
    throw new ChatError("invalid", `Cannot take ${method} yet: say hello first`);
  }
  if (wanted === "greeting") throw new ChatError("conflict", "Cannot take hello: it was said already");
  if (wanted === "signed_in") throw new ChatError("unauthenticated", `Cannot take ${method}: log in first`);
  throw new ChatError("conflict", `Cannot take ${method}: signed in as ${session.identity.name} already`);
}

function greet(session: Session, params: Params<"hello">, services: Services): Result<"hello"> {
  if (params.protocol !== PROTOCOL_VERSION) {
    const outdated = params.protocol < PROTOCOL_VERSION ? "the client" : "the server";
    throw new ChatError(
      "unsupported_version",
      `Cannot talk protocol version ${params.protocol}, only ${PROTOCOL_VERSION}: upgrade ${outdated}`,
    );
  }
  session.greeted();
  return {
    protocol: PROTOCOL_VERSION,
    server: { name: "mini-chat", version: VERSION },
    time: services.now(),
    registration: services.registration,
    limits: {
      frameBytes: MAX_FRAME_BYTES,
      textBytes: MAX_TEXT_BYTES,
      nameChars: MAX_NAME_CHARS,
      pendingRequests: MAX_PENDING_REQUESTS,
      pingAfterMs: PING_AFTER_MS,
      deadAfterMs: DEAD_AFTER_MS,
    },
  };
}

async function send(
  session: Session,
  { id, to, text }: Params<"send_message">,
  { store, hub }: Services,
): Promise<Result<"send_message">> {
  const { accountId, name } = session.identity;
  const sent = await store.sendMessage({ senderId: accountId, id, to, text });
  const { sequence, storedAt, isDuplicate, recipientId } = sent;
  if (!isDuplicate) hub.deliver(recipientId, { sequence, id, from: name, to, text, storedAt });
  return { id, sequence, storedAt, duplicate: isDuplicate };
}

async function listUsers(
  session: Session,
  params: Params<"list_users">,
  { store, hub }: Services,
): Promise<Result<"list_users">> {
  const withPresence = ({ accountId, ...user }: ListedUser): UserEntry => ({
    ...user,
    presence: hub.presenceOf(accountId),
  });
  if (params.name !== undefined) {
    const user = await store.findUser(params.name, session.accountId);
    return { users: user ? [withPresence(user)] : [], next: null };
  }
  const limit = Math.min(params.limit ?? USERS_PER_PAGE, MAX_USERS_PER_PAGE);
  const page = await store.listUsers({ viewerId: session.accountId, after: params.after ?? null, limit });
  const users = page.users.map(withPresence);
  const fitting = takeFitting(users);
  const next = fitting.length < users.length ? fitting.at(-1)?.name ?? null : page.next;
  return { users: [...fitting], next };
}

async function fetchHistory(
  session: Session,
  params: Params<"fetch_history">,
  { store }: Services,
): Promise<Result<"fetch_history">> {
  const page = await store.listHistory({
    accountId: session.accountId,
    with: params.with,
    before: params.before ?? null,
    limit: Math.min(params.limit ?? HISTORY_PER_PAGE, MAX_HISTORY_PER_PAGE),
    maxBytes: PAGE_BYTES,
  });
  const newestFirst = page.messages.toReversed().map(({ state, ...message }): HistoryEntry =>
    state === null || state === undefined ? message : { ...message, state }
  );
  const fitting = takeFitting(newestFirst);
  const next = fitting.length < newestFirst.length ? fitting.at(-1)?.sequence ?? null : page.next;
  return { messages: fitting.toReversed(), next };
}

async function openChat(
  session: Session,
  params: Params<"open_chat">,
  { store, hub, directChats, sendPaces }: Services,
): Promise<Result<"open_chat">> {
  const { accountId, name } = session.identity;
  if (params.to === name) throw new ChatError("invalid", "Cannot open a chat with yourself: name a friend");
  // An invitation reaches a person as a message does, so it takes its turn with those.
  await sendPaces.of(accountId).turn(session);
  const friend = await store.findUser(params.to, accountId);
  if (!friend) throw new ChatError("not_found", `Cannot open a chat: there is no user ${params.to}`);
  if ((await store.listBlocked(friend.accountId)).includes(name)) {
    throw new ChatError("blocked", `Cannot open a chat: ${params.to} takes nothing from you`);
  }
  if (session.stage !== "signed_in") {
    throw new ChatError("unavailable", "Cannot open a chat: the session has ended");
  }
  directChats.open(session, friend.accountId, params);
  return {
    seenAddress: session.peer.connection.remoteAddress,
    isFriendOnline: hub.presenceOf(friend.accountId) !== "offline",
  };
}

/** The first entries, as many as fit one frame. */
function takeFitting<T>(entries: readonly T[]): readonly T[] {
  let bytes = 0;
  const end = entries.findIndex((entry) => (bytes += utf8Bytes(JSON.stringify(entry)) + 1) > PAGE_BYTES);
  return end < 0 ? entries : entries.slice(0, end);
}

function closeSoon(session: Session, reason: string): void {
  // After this turn, in which the reply is queued.
  setTimeout(() => session.peer.close(reason), 0);
}
