/** The process that the engine starts as the command plugin. */
import { serve } from "./service.ts";

await serve(process.argv[2]);
