/** The openstack provider, as the engine loads it. */
import type { ProviderFactory } from "../../provider.ts";
import { OpenstackProvider } from "./provider.ts";

export const factory: ProviderFactory = () => new OpenstackProvider();
