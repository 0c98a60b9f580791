/**
 * What the server does for each request about direct chats; see `handlers.ts`.
 * @module
 */
import { ChatError } from "../errors.ts";
import type { CHAT_REQUESTS } from "../protocol/chat_messages.ts";
import type { Params, Result } from "../protocol/requests.ts";
import type { Handler } from "./handlers.ts";
import type { Services } from "./services.ts";
import type { Session } from "./session.ts";

/** Handler of each request about direct chats. */
export const CHAT_HANDLERS: { readonly [M in keyof typeof CHAT_REQUESTS]: Handler<M> } = {
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
    seenAddress: session.peer.remoteAddress,
    isFriendOnline: hub.presenceOf(friend.accountId) !== "offline",
  };
}
