/**
 * Text that survives kolla-ansible's template module. The module reads the file as a Jinja template (role magnum,
 * task "Copying over kubeconfig file"), so that braces in it would be evaluated.
 */
import { CommandError } from "../lib/command-error.ts";

/** Jinja's delimiters, and the first line with which a file sets its own (Ansible's #jinja2: header). */
const SPECIAL = /\{\{|\{%|\{#|^#jinja2:/;

/**
 * The text as a template that renders to exactly it. Base64 and tokens hold no braces, so it is nearly always the
 * text itself.
 */
export function asTemplate(text: string): string {
  if (!SPECIAL.test(text)) return text;
  if (/\{%-?\+?\s*endraw/.test(text)) {
    throw new CommandError("the kubeconfig holds Jinja's endraw, which no template can carry");
  }
  // The module trims the newline after a block (trim_blocks): none stands there.
  return `{% raw %}${text}{% endraw %}`;
}

/** The text that asTemplate was given, for comparing with what a file holds. */
export function fromTemplate(template: string): string {
  return /^\{% raw %\}([^]*)\{% endraw %\}\n?$/.exec(template)?.[1] ?? template;
}
