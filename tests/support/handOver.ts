/**
 * What stands behind the hand-over on an operator's side: a kayobe-config, ansible-vault's password, and the Magnum that
 * kolla-ansible configures from it. Magnum runs for a test only; lab/README.md says what that leaves unproved.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { reconfigureMagnum, startMagnum } from "../../lab/consumers/magnum.ts";
import { prepareConsumers } from "../../lab/prepare/consumers.ts";
import { kayobeConfig } from "../kayobe/support.ts";
import { renderMagnum } from "./kolla.ts";
import { command, output, project, type Ran } from "./lab.ts";

export class HandOver {
  /** The Python environment of Ansible, kolla-ansible and Magnum. */
  readonly venv: string;
  readonly repository: string;
  readonly passwordFile: string;
  /** Below the repository, as kayobe hands it to kolla-ansible. */
  readonly kollaConfig: string;
  /** What bin/kayobe-export writes. */
  readonly vaulted: string;
  /** What kolla-ansible renders for the container magnum_conductor. */
  readonly conductor: string;
  readonly #kolla: string;

  private constructor(venv: string, scratch: string) {
    this.venv = venv;
    this.repository = kayobeConfig(join(scratch, "kayobe-config"), "lab");
    this.kollaConfig = join(this.repository, "etc/kayobe/environments/lab/kolla/config");
    this.vaulted = join(this.kollaConfig, "magnum/kubeconfig");
    this.passwordFile = join(scratch, "password");
    this.#kolla = join(scratch, "kolla");
    this.conductor = join(this.#kolla, "rendered/magnum-conductor");
    writeFileSync(this.passwordFile, "of the test\n", { mode: 0o600 });
  }

  /** @param scratch a folder of the test's */
  static async make(scratch: string): Promise<HandOver> {
    return new HandOver(await prepareConsumers(() => undefined), scratch);
  }

  /** A program of bin/. */
  bin(name: string, ...args: string[]): Ran {
    const vault = join(this.venv, "bin", "ansible-vault");
    return command(join(project, "bin", name), args, { env: { ANSIBLE_VAULT: vault } });
  }

  /** bin/kayobe-export of stack `lab`. */
  export(...more: string[]): Ran {
    return this.bin(
      "kayobe-export",
      ...["lab", "--kayobe-config", this.repository, "--environment", "lab"],
      ...["--vault-password-file", this.passwordFile, ...more],
    );
  }

  /** The kubeconfig in it, opened by the real ansible-vault. */
  decrypted(): string {
    const words = ["view", "--vault-password-file", this.passwordFile, this.vaulted];
    return output(join(this.venv, "bin/ansible-vault"), words);
  }

  /** What `kayobe overcloud service deploy -kt magnum` renders, by kolla-ansible's own role. */
  render(): void {
    mkdirSync(this.#kolla);
    const { venv, kollaConfig, passwordFile } = this;
    renderMagnum({ venv, scratch: this.#kolla, kollaConfig, passwordFile });
  }

  startMagnum(): Promise<void> {
    return startMagnum({ venv: this.venv, rendered: this.conductor });
  }

  /** What `kayobe overcloud service reconfigure -kt magnum` does with a new kubeconfig. */
  async reconfigure(): Promise<void> {
    writeFileSync(join(this.conductor, "kubeconfig"), this.decrypted(), { mode: 0o600 });
    await reconfigureMagnum({ venv: this.venv, rendered: this.conductor });
  }

  /** What Magnum's conductor reads now. */
  conductorKubeconfig(): string {
    return readFileSync(join(this.conductor, "kubeconfig"), "utf8");
  }
}
