import { startTrustedTls } from "../../net/trust.ts";
import type { ChatEvent, ChatRequestName, Rendezvous } from "../../peer/rendezvous.ts";
import { CHAT_EVENTS } from "../../protocol/chat_messages.ts";
import { parseEvent } from "../../protocol/events.ts";
import { parseResult } from "../../protocol/requests.ts";
import type { Account } from "../account.ts";

export function rendezvousOf(account: Account): Rendezvous {
  const { host, port } = account.server;
  const request = async (method: ChatRequestName, params: unknown) =>
    parseResult(method, await account.request(method, params));
  return {
    server: {
      get address() {
        return account.serverAddress;
      },
      port,
      startTls: (tcp, alpnProtocols) =>
        startTrustedTls(tcp, { host, certificatePem: account.certificate, alpnProtocols }),
    },
    request: request as Rendezvous["request"],
    onEvent: (hear) =>
      account.onEvent((method, params) => {
        const event = Object.hasOwn(CHAT_EVENTS, method) ? parseEvent(method, params) : null;
        if (event) hear(event as ChatEvent);
      }),
    onSignedInAgain: (hear) => account.onSignedIn(hear),
    checkConnection: () => account.checkConnection(),
  };
}
