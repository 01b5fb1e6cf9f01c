/**
 * Helm releases, all made in one way. Upstream analogue: the kubernetes.core.helm tasks of azimuth-ops.
 */
import { Release } from "@pulumi/kubernetes/helm/v3/release.js";
import * as pulumi from "@pulumi/pulumi";
import { secondsOf } from "../config/units.ts";
import { type ExtraValues, withExtraValues } from "../lib/extra-values.ts";
import { mirrored } from "../lib/mirror.ts";

export interface ChartArgs {
  /** Name of the chart, and of the release unless `release` is given. */
  readonly chart: string;
  readonly version: string;
  /** Upstream address of the chart's repository. */
  readonly repository: string;
  /** Base URL of a mirror. Default: upstream. */
  readonly mirrorUrl?: string | undefined;
  /** Name of the release. Default: the chart's. */
  readonly release?: string;
  readonly namespace: string;
  readonly values: pulumi.Inputs;
  /** The operator's own values, merged over `values`. Default: none. */
  readonly extraValues?: ExtraValues | undefined;
  /** How long the release may take, as a duration. */
  readonly timeout: string;
  /**
   * False for a chart whose objects become ready by something that waits elsewhere; a failed change is then kept as
   * it is instead of being rolled back. Default: true.
   */
  readonly atomic?: boolean;
}

/**
 * A release. Its name is always given: after a failed first install Helm leaves CRDs that carry the release's name,
 * and a generated name would differ the next time and could not adopt them.
 */
export function chart(name: string, args: ChartArgs, opts: pulumi.CustomResourceOptions): Release {
  const atomic = args.atomic ?? true;
  return new Release(
    name,
    {
      name: args.release ?? args.chart,
      chart: args.chart,
      version: args.version,
      repositoryOpts: { repo: mirrored(args.repository, args.mirrorUrl) },
      namespace: args.namespace,
      createNamespace: true,
      values: mergedValues(args.values, args.extraValues),
      timeout: secondsOf(args.timeout),
      atomic,
      skipAwait: !atomic,
      maxHistory: 5,
    },
    opts,
  );
}

/** Values with the operator's own over them; of those what is encrypted in the stack file stays secret. */
export function mergedValues(values: pulumi.Inputs, extra: ExtraValues | undefined): pulumi.Inputs {
  return extra === undefined ? values : withExtraValues(values, extra, (value) => pulumi.secret(value));
}
