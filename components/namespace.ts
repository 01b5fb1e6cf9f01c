/**
 * A namespace, and in it a secret that what runs there mounts or reads. Upstream analogue: none.
 */
import { Namespace, Secret } from "@pulumi/kubernetes/core/v1/index.js";
import * as pulumi from "@pulumi/pulumi";

/** A secret of a namespace. */
export interface NamespaceSecret {
  /** Of the resource, behind the component's name. */
  readonly role: string;
  /** Of the object. */
  readonly name: string;
  /** Without any content no secret is made. */
  readonly content: Readonly<Record<string, string>>;
}

/**
 * @param name of the component, which is the parent
 * @returns the namespace, and behind it the secret if there is one
 */
export function namespaceWith(
  name: string,
  namespaceName: string,
  secret: NamespaceSecret,
  parent: pulumi.ComponentResource,
): readonly [Namespace, ...Secret[]] {
  const namespace = new Namespace(`${name}-namespace`, { metadata: { name: namespaceName } }, { parent });
  if (Object.keys(secret.content).length === 0) return [namespace];
  const made = new Secret(
    `${name}-${secret.role}`,
    {
      metadata: { name: secret.name, namespace: namespace.metadata.name },
      stringData: pulumi.secret(secret.content),
    },
    { parent },
  );
  return [namespace, made];
}
