// The decision to trust a server, made once: by the invite link, by an authority, or by the person.
import { TrustError, UsageError } from "../../errors.ts";
import { fingerprintOf } from "../../net/identity.ts";
import { fetchCertificate, verifyWithSystemRoots } from "../../net/trust.ts";
import type { InviteLink } from "../../protocol/invite_link.ts";
import type { KnownServer } from "../../profile/profile.ts";
import { safeText } from "../../terminal/safe_text.ts";
import { bold } from "../../terminal/style.ts";
import type { App } from "../app.ts";

/** Finds the server in the profile, or decides about it and remembers the decision. */
export async function trustServer(app: App, link: InviteLink): Promise<KnownServer | null> {
  const { terminal, profile } = app;
  const { host, port, fingerprint } = link;
  const known = profile.findServer(host, port);
  if (known) {
    if (fingerprint !== undefined && known.fingerprint !== null && known.fingerprint !== fingerprint) {
      throw new TrustError(
        `Cannot use the link: its key (${fingerprint}) is not the one known for ${host} (${known.fingerprint}). ` +
          "Ask whoever sent it; if the server really has a new key, use forget-server",
      );
    }
    profile.markServerUsed(known.serverId);
    return known;
  }
  const certificate = await app.waitFor(`Connecting to ${safeText(host)}`, async (signal) => { // null where an authority vouches for it
    if (fingerprint === undefined && await verifyWithSystemRoots({ host, port, signal })) return null;
    return await fetchCertificate({ host, port, signal });
  });
  if (certificate === null) return profile.saveServer({ host, port, certificate, fingerprint: null });
  const seen = await fingerprintOf(certificate);
  if (fingerprint !== undefined && fingerprint !== seen) {
    throw new TrustError(
      `Cannot trust ${host}: its key is ${seen}, but the invite link says ${fingerprint}. Somebody may be intercepting the connection, such as a network that wants you to sign in first; nothing was sent`,
    );
  }
  if (fingerprint === undefined) {
    if (!terminal.isInteractive) {
      throw new UsageError(
        `Cannot trust ${host} without its fingerprint: use its invite link, or connect once from a terminal`,
      );
    }
    await terminal.print(`First connection to ${safeText(host)}. Its key is\n  ${bold(seen)}`);
    await terminal.print(
      "Compare it with the key that the server printed at its start, or ask its operator.",
    );
    if (!await terminal.confirm("Is it the same?", false)) return null;
  }
  return profile.saveServer({ host, port, certificate, fingerprint: seen });
}
