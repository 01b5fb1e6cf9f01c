// Package kubernetes holds the few names of Pulumi's Kubernetes SDK that the provider itself uses.
package kubernetes

import (
	"context"
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

type UntypedArgs map[string]interface{}

func (UntypedArgs) ElementType() reflect.Type {
	return reflect.TypeOf((*map[string]interface{})(nil)).Elem()
}
func (u UntypedArgs) ToMapOutputWithContext(ctx context.Context) pulumi.MapOutput {
	return pulumi.MapOutput{}
}
