/** The command provider, as the engine loads it. */
import type { ProviderFactory } from "../../provider.ts";
import { CommandProvider } from "./provider.ts";

export const factory: ProviderFactory = () => new CommandProvider();
