/**
 * Checks of logs and backups.
 */
import type { Problem } from "../problems.ts";
import { type Check, when } from "./check.ts";

/** Both are on the HA cluster. */
export const withoutCluster: Check = ({ cluster, logs, backups }) =>
  (
    [
      ["logs", logs?.enabled],
      ["backups", backups?.enabled],
    ] as const
  ).flatMap(([section, enabled]) =>
    when(cluster?.enabled === false && enabled, () => ({
      path: `${section}.enabled`,
      problem: "needs the HA cluster, which cluster.enabled leaves out",
      got: "true",
      legal: "false, or cluster.enabled true",
    })),
  );

/** A backup has to go somewhere. */
export const backupStore: Check = ({ backups }) =>
  when(backups?.enabled === true && backups.store === undefined, () => ({
    path: "backups.store",
    problem: "is required with backups.enabled",
    got: "nothing",
    legal: "a map of url, bucket, accessKeyId, secretAccessKey",
  }));

/** A login is both halves. */
export const logsLogin: Check = ({ logs }) => {
  const { username, password } = logs?.external ?? {};
  const missing = (key: string, other: string): Problem => ({
    path: `logs.external.${key}`,
    problem: `is required with logs.external.${other}`,
    got: "nothing",
    legal: "both, or neither",
  });
  return [
    ...when(username !== undefined && password === undefined, () => missing("password", "username")),
    ...when(password !== undefined && username === undefined, () => missing("username", "password")),
  ];
};
