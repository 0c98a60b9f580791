// What a Tab at the shell offers for each kind of value, from the profile alone: it must be there before the finger is up again.
import type { Candidate, Sources, Typed } from "../completion/complete.ts";
import {
  knownAccounts,
  knownMailAddresses,
  knownPeople,
  knownServers,
  knownWaitingMails,
} from "../profile/known_words.ts";
import { formatHostAndPort } from "../addresses.ts";
import { parseInviteLink } from "../protocol/invite_link.ts";
import { DEFAULT_PORT } from "../protocol/limits.ts";

type Look = (folder: string, typed: Typed) => readonly Candidate[];

const inProfile = (look: Look) => (typed: Typed): Promise<readonly Candidate[]> => {
  const folder = typed.flag("profile");
  return Promise.resolve(folder === undefined ? [] : look(folder, typed));
};

const people = inProfile((folder, typed) =>
  knownPeople(folder, { server: serverOf(typed), user: typed.flag("user") }).map(({ person }) => ({
    value: person,
  }))
);

const servers = inProfile((folder) =>
  knownServers(folder).map(({ host, port }) => ({
    value: port === DEFAULT_PORT ? host : formatHostAndPort(host, port),
  }))
);

const accounts = inProfile((folder, typed) =>
  knownAccounts(folder, { server: serverOf(typed) }).map(({ name, host }) => ({ value: name, about: host }))
);

const mailAddresses = inProfile((folder) =>
  knownMailAddresses(folder).map(({ address }) => ({ value: address }))
);

const waitingMails = inProfile((folder) =>
  knownWaitingMails(folder).map(({ number, subject, recipient }) => ({
    value: String(number),
    about: `"${subject}" to ${recipient}`,
  }))
);

/** Loaded here: their list takes longer to load than everything else that a Tab needs. */
async function providers(): Promise<readonly Candidate[]> {
  const { listProviders } = await import("../mail/providers.ts");
  return listProviders().map(({ id, title }) => ({ value: id, about: title }));
}

/** For each word that stands between the brackets of an argument or flag. */
export const KNOWN_WORDS: Sources = {
  user: people,
  friend: people,
  recipient: people,
  server: servers,
  host: servers,
  account: accounts,
  address: mailAddresses,
  mail: waitingMails,
  provider: providers,
};

function serverOf(typed: Typed) {
  const server = typed.flag("server");
  return server === undefined ? undefined : parseInviteLink(server);
}
