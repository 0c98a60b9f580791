import type { z } from "zod";
import type { CHAT_EVENTS, CHAT_REQUESTS } from "../protocol/chat_messages.ts";

export type ChatRequestName = keyof typeof CHAT_REQUESTS;
type ChatParams<M extends ChatRequestName> = z.input<(typeof CHAT_REQUESTS)[M]["params"]>;
type ChatResult<M extends ChatRequestName> = z.output<(typeof CHAT_REQUESTS)[M]["result"]>;

export type ChatEvent = {
  readonly [E in keyof typeof CHAT_EVENTS]: {
    readonly name: E;
    readonly content: z.output<(typeof CHAT_EVENTS)[E]>;
  };
}[keyof typeof CHAT_EVENTS];

/** The server's port, for further connections beside the client's own. */
export interface ServerDoor {
  readonly address: string; // IP address that the client's own connection goes to
  readonly port: number;
  startTls(tcp: Deno.TcpConn, alpnProtocols: readonly string[]): Promise<Deno.TlsConn>;
}

export interface Rendezvous {
  readonly server: ServerDoor;
  /** Asks the server. Throws `ChatError` as it refused, `ConnectionError` when it cannot be reached now. */
  request<M extends ChatRequestName>(method: M, params: ChatParams<M>): Promise<ChatResult<M>>;
  /** Hears every event about direct chats from now on; call what it returns to stop. */
  onEvent(hear: (event: ChatEvent) => void): () => void;
  /** Hears each time the client is signed in again after a broken connection; call what it returns to stop. */
  onSignedInAgain(hear: () => void): () => void;
  /** To be called when the link is lost: the server's connection must prove at once that it lives, or is made anew now. */
  checkConnection(): void;
}
