/**
 * What the server does for each request: one entry each, with the stage in which it may come.
 *
 * A handler changes shared state only in one go, with no `await` in the middle of a change.
 * @module
 */
import { ChatError } from "../errors.ts";
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
import type { HistoryEntry, Params, RequestName, Result, UserEntry } from "../protocol/requests.ts";
import { VERSION } from "../version.ts";
import { changePassword, login, register, resume } from "./login.ts";
import { CHAT_HANDLERS } from "./direct_chat_handlers.ts";
import type { ListedUser } from "./store.ts";
import type { Services } from "./services.ts";
import type { Session, Stage } from "./session.ts";

/** What to do for one request, and when it may come. */
export interface Handler<M extends RequestName> {
  /** Stage in which the request may come. */
  readonly stage: Stage | "any";
  /** Does it; throws a `ChatError` to refuse. */
  run(session: Session, params: Params<M>, services: Services): Result<M> | Promise<Result<M>>;
}

/** Users in a page when the client does not say how many. */
const USERS_PER_PAGE = 100;

/** Messages in a page of history when the client does not say how many. */
const HISTORY_PER_PAGE = 50;

/** Room for the entries of a page in a frame; the rest is for the envelope around them. */
const PAGE_BYTES = MAX_FRAME_BYTES - 1024;

/** Handler of each request. */
export const HANDLERS: { readonly [M in RequestName]: Handler<M> } = {
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
  ...CHAT_HANDLERS,
};

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
  const { sequence, storedAt, isDuplicate, recipientId } = await store.sendMessage({
    senderId: accountId,
    id,
    to,
    text,
  });
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
  return {
    users: [...fitting],
    next: fitting.length < users.length ? fitting.at(-1)?.name ?? null : page.next,
  };
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
