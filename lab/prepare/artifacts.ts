import type { PulumiTools } from "./pulumi.ts";

/** What `prepare` provides to the services. */
export interface Artifacts {
  /** Python virtual environment with the OpenStack services and clients. */
  python: string;
  /** Root folder of the machines' operating system. */
  seedBase: string;
  /** MariaDB data folder with every service's schema, no content. */
  database: string;
  versitygw: string;
  helm: string;
  alertmanager: string;
  /** The lab's k3s binary; called kubectl, it is kubectl. */
  k3s: string;
  /** Pulumi's CLI and plugins. */
  pulumi: PulumiTools;
}
