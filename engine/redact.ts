/** The redactor, and what the engine adds to it: the secrets of a property. */
import { Redactor as Texts } from "../lib/redact.ts";
import { secretStrings, type Property } from "./property.ts";

export class Redactor extends Texts {
  addProperty(property: Property): void {
    this.add(...secretStrings(property));
  }
}
