/**
 * What the chat of one account keeps on disk, on the person's profile.
 * @module
 */
import type { ChatRecords } from "../client/chat_client.ts";
import type { OutboxMessage } from "../client/outbox_sender.ts";
import type { ChatError } from "../errors.ts";
import type { Profile } from "../profile/profile.ts";
import type { ProfileAccount } from "../profile/outbox.ts";

export class ProfileRecords implements ChatRecords {
  readonly #profile: Profile;
  readonly #account: ProfileAccount;

  constructor(profile: Profile, account: ProfileAccount) {
    this.#profile = profile;
    this.#account = account;
  }

  add(message: { readonly to: string; readonly text: string }): OutboxMessage {
    return this.#profile.outbox.enqueueMessage(this.#account, message);
  }

  first(): OutboxMessage | null {
    return this.#profile.outbox.findFirst(this.#account);
  }

  accepted(id: string): void {
    this.#profile.outbox.markAccepted(id);
  }

  refused(id: string, { code, message }: ChatError): void {
    this.#profile.outbox.markRejected(id, { code, reason: message });
  }

  readCursor(): number {
    return this.#profile.findReadSequence(this.#account) ?? 0;
  }

  saveReadCursor(sequence: number): void {
    this.#profile.saveReadSequence(this.#account, sequence);
  }
}
