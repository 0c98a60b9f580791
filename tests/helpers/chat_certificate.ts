/** What the server takes for the certificate of a direct chat, where nobody connects with it. */
export const CHAT_CERTIFICATE: string =
  "-----BEGIN CERTIFICATE-----\nMIIBrTCCAVOgAwIBAgIQ\n-----END CERTIFICATE-----\n";
