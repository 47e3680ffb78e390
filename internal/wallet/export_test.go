package wallet

// FoldOnly makes Fold take smaller shares.
func (k *Keeper) FoldOnly(subjects int64) { k.share = subjects }
