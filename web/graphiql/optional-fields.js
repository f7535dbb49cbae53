const REQUIRED = 'if (fieldRequired) {';

/** Corrects the variables editor, which takes a field like `first: Int! = 20` for one that must be given. */
export function optionalFields() {
  return {
    name: 'optional-fields',
    transform(code, id) {
      if (!id.endsWith('/getVariablesJSONSchema.js')) return null;
      if (!code.includes(REQUIRED)) this.error(`${id} has changed: is the correction still needed?`);
      return { code: code.replace(REQUIRED, 'if (fieldRequired && field.defaultValue === undefined) {'), map: null };
    },
  };
}
