// What the server does for each request: one entry each.
// A handler changes shared state only in one go, with no `await` in the middle of a change.
import { ChatError, ProtocolError, quote } from "../errors.ts";
import { utf8Bytes } from "../protocol/fields.ts";
import {
  ACCOUNTS_PER_CONVERSATION_PAGE,
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
  isRequestName,
  type Params,
  parseParams,
  type RequestName,
  type Result,
  type UserEntry,
} from "../protocol/requests.ts";
import { VERSION } from "../version.ts";
import { LOGIN_HANDLERS } from "./login.ts";
import { REPORT_HANDLERS } from "./moderation/report.ts";
import type { Handlers, Session, Stage } from "./session.ts";
import type { ListedUser } from "./store.ts";

const USERS_PER_PAGE = 100; // when the client does not say how many
const HISTORY_PER_PAGE = 50;

/** Room for the entries of a page in a frame; the rest is for the envelope around them. */
const PAGE_BYTES = MAX_FRAME_BYTES - 1024;

/** Stage in which a request may come; all others need somebody signed in. */
const STAGES: { readonly [M in RequestName]?: Stage | "any" } = {
  hello: "greeting",
  register: "guest",
  login: "guest",
  resume: "guest",
  bye: "any",
};

/**
 * Requests that are answered at the desk of their account (`Services.desks`). Of the others, some ask nothing of the store,
 * and some wait for a pace, a password or a slow reader first, and come to the desk by themselves where that is needed.
 */
const AT_DESK: ReadonlySet<RequestName> = new Set<RequestName>([
  "resume",
  "logout",
  "subscribe",
  "acknowledge",
  "update_settings",
  "block_user",
  "unblock_user",
  "report_user",
  "close_chat",
  "offer_punch",
]);

const HANDLERS: Handlers = {
  ...LOGIN_HANDLERS,
  ...REPORT_HANDLERS,

  hello(session) {
    refuseBanned(session);
    session.greeted();
    return {
      protocol: PROTOCOL_VERSION,
      server: { name: "mini-chat", version: VERSION },
      time: Date.now(),
      registration: session.services.registration,
      limits: {
        frameBytes: MAX_FRAME_BYTES,
        textBytes: MAX_TEXT_BYTES,
        nameChars: MAX_NAME_CHARS,
        pendingRequests: MAX_PENDING_REQUESTS,
        pingAfterMs: PING_AFTER_MS,
        deadAfterMs: DEAD_AFTER_MS,
      },
    };
  },

  async logout(session) {
    const { store, hub } = session.services;
    await store.closeLogin(session.identity.tokenHash);
    hub.endDevice(session, "revoked");
    session.closeSoon("logged out");
    return {};
  },

  bye(session) {
    session.closeSoon("the client said goodbye");
    return {};
  },

  list_users(session, params) {
    const { accountId, services: { store, hub } } = session;
    const withPresence = async (users: readonly ListedUser[]): Promise<UserEntry[]> => {
      const presences = await hub.presenceOf(users.map(({ accountId }) => accountId));
      return users.map(({ accountId, ...user }) => ({ ...user, presence: presences.get(accountId)! }));
    };
    return session.inTurn(async () => {
      if (params.name !== undefined) {
        const user = await store.findUser(params.name, accountId);
        return { users: await withPresence(user ? [user] : []), next: null };
      }
      const limit = Math.min(params.limit ?? USERS_PER_PAGE, MAX_USERS_PER_PAGE);
      const page = await store.listUsers({ viewerId: accountId, after: params.after ?? null, limit });
      const users = takeFitting(await withPresence(page.users));
      const next = users.length < page.users.length ? users.at(-1)?.name ?? null : page.next;
      return { users, next };
    });
  },

  send_message(session, message) {
    const turn = session.services.sendPaces.of(session.accountId).turn(session);
    return turn ? turn.then(() => send(session, message)) : send(session, message);
  },

  async subscribe(session, params) {
    const { identity: { accountId, deviceId }, services: { store } } = session;
    const deliver = session.nextDelivery();
    const after = params.after ?? await store.readSequence(accountId, deviceId);
    const upTo = await store.highestSequence(accountId);
    deliver(after);
    return { upTo };
  },

  async acknowledge(session, params) {
    const { identity: { accountId, deviceId, name }, services: { store, hub } } = session;
    const news = await store.acknowledge({ accountId, deviceId, ...params });
    for (const { senderId, ...moved } of news) hub.notify(senderId, "receipt", { by: name, ...moved });
    return {};
  },

  fetch_history(session, params) {
    const { accountId, services: { store } } = session;
    return session.inTurn(async () => {
      const page = await store.listHistory({
        accountId,
        with: params.with,
        before: params.before ?? null,
        limit: Math.min(params.limit ?? HISTORY_PER_PAGE, MAX_HISTORY_PER_PAGE),
        maxBytes: PAGE_BYTES,
      });
      const newestFirst = takeFitting(page.messages.toReversed());
      const isCut = newestFirst.length < page.messages.length;
      const next = isCut ? newestFirst.at(-1)?.sequence ?? null : page.next;
      return { messages: newestFirst.toReversed(), next };
    });
  },

  async list_conversations(session, { after = null }) {
    const { accountId, services: { store } } = session;
    return await session.inTurn(async () => {
      const page = { accountId, after, limit: ACCOUNTS_PER_CONVERSATION_PAGE };
      const { names, next } = await store.listConversations(page);
      return { names: [...names], next };
    });
  },

  set_presence(session, { presence }) {
    session.services.hub.setIdle(session, presence === "idle");
    return {};
  },

  update_settings: (session, changes) => session.services.store.updateSettings(session.accountId, changes),

  async block_user(session, { name }) {
    const { identity, services: { store, directChats, log } } = session;
    await store.blockUser(identity.accountId, name);
    // What fails here is left out of the list below all the same.
    await directChats.decline(identity, name)
      .catch((error) => log.warn("invitations of a blocked host not ended", { error }));
    return {};
  },

  async unblock_user(session, { name }) {
    await session.services.store.unblockUser(session.accountId, name);
    return {};
  },

  list_blocked(session) {
    const { accountId, services: { store } } = session;
    return session.inTurn(async () => ({ names: [...await store.listBlocked(accountId)] }));
  },

  async open_chat(session, chat) {
    const { identity: { accountId, name }, services: { store, hub, rules, directChats, chatPaces } } =
      session;
    if (chat.to === name) throw new ChatError("invalid", "Cannot open a chat with yourself: name a friend");
    await chatPaces.of(accountId).turn(session);
    await rules.contact(session, chat.to);
    const friend = await store.findUser(chat.to, accountId);
    if (!friend) throw new ChatError("not_found", `Cannot open a chat: there is no user ${chat.to}`);
    if ((await store.listBlocked(friend.accountId)).includes(name)) {
      throw new ChatError("blocked", `Cannot open a chat: ${chat.to} takes no messages from you`);
    }
    if (session.stage !== "signed_in") {
      throw new ChatError("unavailable", "Cannot open a chat: the session has ended");
    }
    await directChats.open(session, friend.accountId, chat);
    const presences = await hub.presenceOf([friend.accountId]);
    return {
      seenAddress: session.peer.connection.remoteAddress,
      isFriendOnline: presences.get(friend.accountId) !== "offline",
    };
  },

  async close_chat(session, { chatId }) {
    await session.services.directChats.close(session, chatId);
    return {};
  },

  list_chats(session) {
    const { accountId, services: { store, directChats } } = session;
    return session.inTurn(async () => {
      const chats = await directChats.invitationsFor(accountId);
      if (chats.length === 0) return { chats };
      // One that was joined once and left is open again, whatever has happened since.
      const blocked = await store.listBlocked(accountId);
      return { chats: chats.filter(({ from }) => !blocked.includes(from)) };
    });
  },

  async join_chat(session, chat) {
    const { accountId, services: { directChats, chatPaces } } = session;
    await chatPaces.of(accountId).turn(session);
    return await directChats.join(session, chat);
  },

  async offer_punch(session, offer) {
    await session.services.directChats.offerPunch(session, offer);
    return {};
  },
};

/**
 * Answers one request, with the result or a promise of it. Requests are started in the order they came, and may finish in
 * another. Throws `ChatError` when the request is refused; the session goes on.
 */
export function answer(session: Session, method: string, params: unknown): unknown {
  if (!isRequestName(method)) {
    throw new ProtocolError(-32601, `Cannot do ${quote(method)}: no such request`);
  }
  checkStage(session, method, STAGES[method] ?? "signed_in");
  const handle = HANDLERS[method] as (session: Session, params: unknown) => unknown;
  if (method === "hello") refuseOtherVersion(params);
  const checked = parseParams(method, params);
  const answered = AT_DESK.has(method)
    ? session.atDesk(async () => await handle(session, checked))
    : handle(session, checked);
  return answered instanceof Promise ? answered.catch(throwFromHere) : answered;
}

/** Before the other parameters are looked at: those of another version may have another form. */
function refuseOtherVersion(params: unknown): void {
  const protocol = (params as Partial<Params<"hello">> | undefined)?.protocol;
  if (!Number.isSafeInteger(protocol) || protocol === PROTOCOL_VERSION) return;
  const outdated = protocol! < PROTOCOL_VERSION ? "the client" : "the server";
  const words = `Cannot talk protocol version ${protocol}, only ${PROTOCOL_VERSION}: upgrade ${outdated}`;
  throw new ChatError("unsupported_version", words);
}

/** What keeps the store from its work is told to people elsewhere, who would look for a full disk at their own machine. */
function throwFromHere(error: unknown): never {
  const isOurs = error instanceof ChatError && error.code === "unavailable" && error.cause !== undefined;
  if (!isOurs || !error.message.startsWith("C")) throw error;
  const { retryAfterMs } = error;
  throw new ChatError("unavailable", `The server c${error.message.slice(1)}`, {
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    cause: error,
  });
}

function checkStage(session: Session, method: RequestName, wanted: Stage | "any"): void {
  if (wanted === "any" || wanted === session.stage) return;
  if (session.stage === "greeting") {
    throw new ChatError("invalid", `Cannot take ${method} yet: send hello first`);
  }
  if (wanted === "greeting") throw new ChatError("conflict", "Cannot take hello: it was sent before");
  if (wanted === "signed_in") throw new ChatError("unauthenticated", `Cannot take ${method}: log in first`);
  throw new ChatError("conflict", `Cannot take ${method}: signed in as ${session.identity.name} already`);
}

async function send(
  session: Session,
  { id, to, text }: Params<"send_message">,
): Promise<Result<"send_message">> {
  const { identity: { accountId, name }, services: { store, hub, rules, tally } } = session;
  const asked = rules.contact(session, to);
  if (asked !== null) await asked;
  const sent = await store.sendMessage({ senderId: accountId, id, to, text });
  const { sequence, previous, storedAt, isDuplicate, recipientId } = sent;
  // Whoever stored a duplicate may have ended before it told anybody.
  if (isDuplicate) hub.wake(recipientId);
  else {
    tally.messages += 1;
    hub.deliver(recipientId, { sequence, id, from: name, to, text, storedAt }, previous);
  }
  return { id, sequence, storedAt, duplicate: isDuplicate };
}

function takeFitting<T>(entries: readonly T[]): T[] {
  let bytes = 0;
  const end = entries.findIndex((entry) => (bytes += utf8Bytes(JSON.stringify(entry)) + 1) > PAGE_BYTES);
  return entries.slice(0, end < 0 ? undefined : end);
}

/** Before anything costs more, and with the words that a person needs. */
function refuseBanned(session: Session): void {
  try {
    session.services.rules.check({ address: session.remoteAddress });
  } catch (error) {
    session.closeSoon("the address is banned");
    throw error;
  }
}
