/**
 * Secrets kept out of what is shown and logged, even when a server repeats them.
 * @module
 */

/** Shorter than this a "secret" would blot out ordinary words. */
const SHORTEST_SECRET = 4;

/** Replaces every secret in a text, as it is and as SASL encodes it. */
export function hideSecrets(text: string, secrets: readonly string[]): string {
  let hidden = text;
  for (const secret of secrets) {
    if (secret.length < SHORTEST_SECRET) continue;
    hidden = hidden.replaceAll(secret, "[hidden]");
  }
  // A server that repeats an AUTH line does so in base64, where the secret may start at any of three offsets.
  return hidden.replace(/[A-Za-z0-9+/]{8,}={0,2}/g, (word) => holdsSecret(word, secrets) ? "[hidden]" : word);
}

function holdsSecret(word: string, secrets: readonly string[]): boolean {
  let decoded: string;
  try {
    decoded = new TextDecoder().decode(Uint8Array.from(atob(word), (sign) => sign.charCodeAt(0)));
  } catch {
    return false;
  }
  return secrets.some((secret) => secret.length >= SHORTEST_SECRET && decoded.includes(secret));
}
