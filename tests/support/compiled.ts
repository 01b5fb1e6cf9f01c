/**
 * For commands that get an environment of their own.
 */

/** Where Node keeps what it compiled, if this run has such a place (bin/node.sh): nobody compiles a second time. */
export const COMPILED: Readonly<Record<string, string>> =
  process.env["NODE_COMPILE_CACHE"] === undefined
    ? {}
    : { NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] };
