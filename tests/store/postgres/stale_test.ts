import { testWith } from "../../helpers/needs.ts";
import { lookAt, newDatabase, POSTGRES } from "../../helpers/postgres.ts";
import { openSharedStore } from "../../../lib/store/open.ts";
import { addPerson } from "../store_helpers.ts";

testWith(POSTGRES, "who reads notices nothing of connections that PostgreSQL has given up", async () => {
  const url = await newDatabase();
  await using store = await openSharedStore(url, { fingerprint: "of the test" });
  const { accountId } = await addPerson(store, "ana");
  const outside = await lookAt(url);
  try {
    for (let times = 0; times < 20; times++) {
      // In one go, so that the reads leave before the news of the end has come.
      const ended = outside.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mini-chat reads' AND datname = current_database()",
      );
      for (let moment = 0; moment < 10; moment++) {
        await store.highestSequence(accountId);
        await store.listUsers({ viewerId: accountId, after: "", limit: 10 });
      }
      await ended;
    }
  } finally {
    await outside.close();
  }
});
