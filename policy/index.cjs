// The pack's door. Pulumi starts policy packs through ts-node, whatever PulumiPolicy.yaml says of TypeScript, and
// ts-node refuses imports that end in .ts. A native import goes past it: Node strips the types itself.
module.exports = import("./pack.ts");
