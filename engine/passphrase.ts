export * from "../state/passphrase.ts";
