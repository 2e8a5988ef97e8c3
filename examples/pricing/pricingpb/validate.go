// Package pricingpb is the public API of the pricing action.
package pricingpb

import "errors"

// Validate returns what is wrong with the request on its own. It is what validation
// interceptors call.
func (p *Product) Validate() error {
	if p.GetProductId() == "" {
		return errors.New("product_id is empty, want the id of a product")
	}
	return nil
}
