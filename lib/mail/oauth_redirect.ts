// The loopback redirect: where the browser brings the provider's answer (RFC 8252 §7.3).
// Listens on 127.0.0.1 alone, on a port that the system picks, and takes exactly the answer that was asked for; a
// request with another state gets a plain refusal and changes nothing.
import { isAnswerTo, type PendingConsent } from "./oauth.ts";

/** A waiting redirect. Dispose to stop listening. */
export class LoopbackRedirect implements AsyncDisposable {
  readonly redirectUri: string; // the address to give to the provider, such as `http://127.0.0.1:40123/`
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #answer = Promise.withResolvers<URL>();
  #pending: PendingConsent | null = null; // unset until the consent has begun

  constructor(host: "127.0.0.1" | "localhost" = "127.0.0.1") {
    const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
    this.#server = Deno.serve(options, (request) => this.#take(request));
    this.redirectUri = `http://${host}:${this.#server.addr.port}/`;
  }

  async waitFor(pending: PendingConsent): Promise<URL> {
    this.#pending = pending;
    return await this.#answer.promise;
  }

  #take(request: Request): Response {
    const url = new URL(request.url);
    if (request.method !== "GET" || url.pathname !== "/") return page(404, "There is nothing here.");
    if (this.#pending === null || !isAnswerTo(this.#pending, url)) {
      const sentence = "This is not the sign-in that Mini-Chat is waiting for. Use the link in the terminal.";
      return page(400, sentence);
    }
    this.#answer.resolve(url);
    return url.searchParams.has("error")
      ? page(200, "Sign-in was declined. You can close this window; the terminal says more.")
      : page(200, "You are signed in. You can close this window and go back to the terminal.");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

function page(status: number, sentence: string): Response {
  const html =
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>Mini-Chat</title><p>${sentence}</p></html>\n`;
  return new Response(html, {
    status,
    // The address holds the code: keep it out of caches and of any later page's referrer.
    headers: {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      "connection": "close",
    },
  });
}

/** Reads the final address that a person pastes when the browser runs on another machine. */
export function readPastedAnswer(text: string, pending: PendingConsent): URL | string {
  const trimmed = text.trim();
  const url = /^https?:/i.test(trimmed)
    ? URL.parse(trimmed)
    : URL.parse(`?${trimmed.replace(/^\?/, "")}`, pending.redirectUri);
  if (url === null) return "That is not an address: paste all of the browser's address line";
  if (!url.searchParams.has("code") && !url.searchParams.has("error")) {
    return "There is no code in that address: paste the last address of the browser, the one that could not be opened";
  }
  if (!isAnswerTo(pending, url)) {
    return "That address belongs to another sign-in: open the link above and paste the new one";
  }
  return url;
}
