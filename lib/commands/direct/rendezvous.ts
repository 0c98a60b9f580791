import type {
  ChatEvent,
  ChatParams,
  ChatRequestName,
  ChatResult,
  Rendezvous,
} from "../../peer/rendezvous.ts";
import { startTrustedTls } from "../../net/trust.ts";
import { CHAT_EVENTS } from "../../protocol/chat_messages.ts";
import { parseEvent } from "../../protocol/events.ts";
import { type Params, parseResult } from "../../protocol/requests.ts";
import type { Account } from "../account.ts";

export function rendezvousOf(session: Account): Rendezvous {
  const { host, port } = session.server;
  return {
    server: {
      get address() {
        return session.serverAddress;
      },
      port,
      startTls: (tcp, alpnProtocols) =>
        startTrustedTls(tcp, { host, certificatePem: session.certificate, alpnProtocols }),
    },
    request: async <M extends ChatRequestName>(method: M, params: ChatParams<M>): Promise<ChatResult<M>> =>
      parseResult(method, await session.request(method, params as Params<M>)) as ChatResult<M>,
    onEvent: (hear) =>
      session.onEvent((method, params) => {
        const event = Object.hasOwn(CHAT_EVENTS, method) ? parseEvent(method, params) : null;
        if (event) hear(event as ChatEvent);
      }),
    onSignedInAgain: (hear) => session.onSignedIn(hear),
    checkConnection: () => session.checkConnection(),
  };
}
